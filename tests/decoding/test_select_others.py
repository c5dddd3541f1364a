"""Selectors against their definitions, and the fusion of several."""

import json
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from graticule.decoding.candidates import Candidates
from graticule.decoding.judge.client import Judge
from graticule.decoding.judge.config import JudgeConfig
from graticule.decoding.judge.verdict import Verdict
from graticule.decoding.select.fusion import Fused, Fusion, fit_weights
from graticule.decoding.select.judged import Judged
from graticule.decoding.select.probability import LogProbability
from graticule.decoding.select.risk import MinimumRisk, minimum_risk
from graticule.decoding.select.similarity import Similarity
from graticule.earth.cells import TokenScheme
from graticule.earth.distance import haversine_km
from graticule.errors import ConfigError, InputError, ModelFormatError
from graticule.tokens.query import Query

SCHEME = TokenScheme((0, 3, 6))
QUERY = Query({"image": torch.zeros(1, 2)})


def candidates(places, probabilities):
    """One picture's."""
    tokens = torch.from_numpy(SCHEME.encode(*np.array(places, dtype=float).T))[None]
    log_probs = torch.tensor(np.array([probabilities])).log()
    return Candidates(tokens, torch.zeros(tokens.shape), log_probs)


def drawn(width, seed):
    random = np.random.default_rng(seed)
    places = random.uniform((-90, -180), (90, 180), (width, 2)) * random.choice([1, 0.05], (width, 1))
    return candidates(places, random.dirichlet(np.ones(width)).clip(1e-9))


@settings(deadline=None, max_examples=40)
@given(st.integers(1, 9), st.integers(0, 10**6), st.sampled_from(["geoscore", "median", "within"]))
def test_minimum_risk_scores_are_logarithms_of_what_is_expected(width, seed, goal):
    found = drawn(width, seed)
    lat, lon = found.lat_lon(SCHEME)[0].T.numpy()
    km = haversine_km(lat[:, None], lon[:, None], lat, lon)
    share = found.log_probs[0].softmax(0).numpy()
    if goal == "geoscore":
        expected = np.exp(-km / 1492.7) @ share
    elif goal == "within":
        expected = (km <= 300) @ share
    else:
        order = km.argsort(1, kind="stable")
        half = (share[order].cumsum(1) >= 0.5 - 1e-12).argmax(1)
        expected = 1 - np.take_along_axis(km, order, 1)[range(width), half] / (math.pi * 6371)
    scores = MinimumRisk(goal, within_km=300)(QUERY, found, SCHEME)
    np.testing.assert_allclose(scores[0].exp().numpy(), expected, atol=1e-6)


@settings(deadline=None, max_examples=20)
@given(st.integers(1, 9), st.integers(0, 10**6))
def test_minimum_risk_by_name_chooses_as_the_function_does(width, seed):
    found = drawn(width, seed)
    scores = MinimumRisk()(QUERY, found, SCHEME)
    assert scores.argmax(1) == minimum_risk(found.lat_lon(SCHEME), found.log_probs)


@pytest.mark.parametrize("wrong", [{"goal": "luck"}, {"within_km": 0}, {"scale_km": -1}])
def test_a_risk_that_makes_no_sense_is_refused(wrong):
    with pytest.raises(ConfigError, match=r"goal|within_km"):
        MinimumRisk(**wrong)


class OnTheAxis:
    """Places are the points of the unit sphere themselves."""

    scale = torch.tensor(7.0)

    def images(self, features):
        return features

    def locations(self, lat_lon):
        lat, lon = lat_lon.deg2rad().unbind(-1)
        return torch.stack([lat.cos() * lon.cos(), lat.cos() * lon.sin(), lat.sin()], -1).float()


def test_similarity_is_the_scaled_cosine():
    found = candidates([(0, 0), (0, 60), (0, 180)], [0.2, 0.3, 0.5])
    scores = Similarity(OnTheAxis())(Query({"location": torch.tensor([[5.0, 0, 0]])}), found, SCHEME)
    np.testing.assert_allclose(scores[0], [7, 3.5, -7], atol=0.2)
    assert scores.argmax() == 0


def test_similarity_needs_the_location_aligned_vector():
    with pytest.raises(ConfigError, match="no vectors called location"):
        Similarity(OnTheAxis())(QUERY, candidates([(0, 0)], [1.0]), SCHEME)


# --- Judge -------------------------------------------------------------------------------------------------


class Scripted(Judge):
    def __init__(self, verdicts, **config):
        pytest.importorskip("openai")
        super().__init__(JudgeConfig(url="http://127.0.0.1:9/v1", model="eye", **config))
        self.verdicts, self.asked = verdicts, []

    def judge(self, pictures, candidates, **options):
        self.asked += candidates
        return self.verdicts


def verdict(chosen, how="judge"):
    return Verdict(0.0, 0.0, chosen, how, "" if how == "judge" else "no answer", 1, 0, 0, None)


PICTURE = Image.new("RGB", (8, 8))
THREE = candidates([(0, 0), (0, 60), (0, 120)], [0.5, 0.3, 0.0])


def test_the_judge_s_choice_scores_highest_and_only_answers_are_offered():
    judge = Scripted([verdict(1)])
    scores = Judged(judge, [PICTURE])(QUERY, THREE, SCHEME)
    assert scores.tolist() == [[-1, 0, -math.inf]]
    [offered] = judge.asked
    assert [round(place.probability, 3) for place in offered] == [0.5, 0.3]


def test_without_the_judge_s_answer_the_most_probable_stands_and_nothing_counts():
    scores = Judged(Scripted([verdict(0, "fallback")]), [PICTURE])(QUERY, THREE, SCHEME)
    assert scores.tolist() == [[0, 0, -math.inf]]
    assert scores.argmax() == 0


def test_a_judge_needs_every_picture_and_must_choose():
    with pytest.raises(InputError, match="2 pictures for a query of 1"):
        Judged(Scripted([]), [PICTURE] * 2)(QUERY, THREE, SCHEME)
    with pytest.raises(ConfigError, match="choose 'pool'"):
        Judged(Scripted([], mode="free"), [PICTURE])


# --- Fusion ------------------------------------------------------------------------------------------------


def fusion(**weights):
    return Fusion(model="tiny", fitted_on="a test", pictures=1, weights=weights)


def test_fused_scores_are_the_weighted_sum():
    parts = {"a": LogProbability(), "b": MinimumRisk()}
    scores = Fused(fusion(a=2.0, b=-3.0), parts)(QUERY, THREE, SCHEME)
    a, b = (part(QUERY, THREE, SCHEME).double() for part in parts.values())
    torch.testing.assert_close(scores[:, :2], (2 * a - 3 * b)[:, :2])
    assert scores[0, 2] == -torch.inf


def test_a_fusion_needs_the_selectors_it_was_fitted_for():
    with pytest.raises(ConfigError, match="fitted for a, but given b"):
        Fused(fusion(a=1.0), {"b": LogProbability()})


def test_a_fusion_is_kept_as_json():
    kept = fusion(a=0.25, b=-1.5)
    assert Fusion.from_json(kept.to_json()) == kept
    assert json.loads(kept.to_json())["weights"] == {"a": 0.25, "b": -1.5}
    for wrong in (
        "{}",
        "not json",
        kept.to_json().replace("0.25", '"much"'),
        kept.to_json().replace("-1.5", "NaN"),
    ):
        with pytest.raises(ModelFormatError, match=r"mine\.json: not a fusion"):
            Fusion.from_json(wrong, name="mine.json")


def known(count=300, width=6, seed=0):
    """Scores of a selector that knows, one that guesses, and one that knows the opposite a little."""
    generator = torch.Generator().manual_seed(seed)
    worth = 5000 * torch.rand(count, width, generator=generator, dtype=torch.float64)
    noise = torch.randn(2, count, width, generator=generator, dtype=torch.float64)
    scores = {"knows": worth / 1000 + noise[0], "guesses": 100 * noise[1]}
    return scores, worth


def test_what_knows_counts_and_what_guesses_does_not():
    scores, worth = known()
    weights = fit_weights(scores, worth)
    spread = {name: weights[name] * scores[name].std().item() for name in scores}
    assert spread["knows"] > 10 * abs(spread["guesses"])

    def gained(weights, seed):
        scores, worth = known(seed=seed)
        total = sum(weights[name] * scores[name] for name in scores)
        return worth.gather(1, total.argmax(1, keepdim=True)).mean()

    assert gained(weights, 1) > gained({"knows": 1.0, "guesses": 0.05}, 1)
    assert gained(weights, 1) > 0.99 * gained({"knows": 1.0, "guesses": 0.0}, 1)


def test_the_fit_is_a_function_of_differences_within_pictures():
    scores, worth = known(count=30)
    weights = fit_weights(scores, worth)
    assert fit_weights(scores, worth) == weights
    shifted = {name: part + torch.arange(30.0)[:, None] for name, part in scores.items()}
    for name, weight in fit_weights(shifted, worth).items():
        assert weight == pytest.approx(weights[name], rel=1e-3, abs=1e-5)


def test_what_is_no_answer_teaches_nothing():
    scores, worth = known(count=30)
    padded = {name: torch.nn.functional.pad(part, (0, 2), value=-torch.inf) for name, part in scores.items()}
    weights = fit_weights(scores, worth)
    junk = torch.nn.functional.pad(worth, (0, 2), value=4999.0)
    for name, weight in fit_weights(padded, junk).items():
        assert weight == pytest.approx(weights[name], rel=1e-3, abs=1e-5)


def test_a_lone_candidate_leaves_equal_weights_and_nothing_is_refused():
    lone = torch.ones(3, 1)
    assert len(set(fit_weights({"a": lone, "b": lone}, lone).values())) == 1
    with pytest.raises(ConfigError, match="names no selector"):
        fit_weights({}, lone)
    with pytest.raises(ConfigError, match="no picture has a candidate"):
        fit_weights({"a": lone - torch.inf}, lone)
