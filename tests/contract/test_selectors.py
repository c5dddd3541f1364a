"""What every selector promises: see `decoding.select.contract`. Each of the registry has entries in `TINY`."""

import numpy as np
import pytest
import torch
from PIL import Image

from graticule.alignment.location import LocationEncoderConfig
from graticule.alignment.model import Alignment, AlignmentConfig
from graticule.decoding.beam import beam
from graticule.decoding.judge.client import Judge
from graticule.decoding.judge.config import JudgeConfig
from graticule.decoding.judge.verdict import Verdict
from graticule.decoding.sample import sample
from graticule.decoding.select.fusion import Fused, Fusion
from graticule.decoding.select.judged import Judged
from graticule.decoding.select.probability import LogProbability
from graticule.decoding.select.reward import Reward
from graticule.decoding.select.risk import MinimumRisk
from graticule.decoding.select.similarity import Similarity
from graticule.registry import SELECTORS
from graticule.tokens.geotoken import GeoToken, GeoTokenConfig
from graticule.tokens.query import Neighbours, Query
from graticule.tokens.reward import RewardModel

CLOSE = {"rtol": 0, "atol": 1e-5}


def geotoken():
    torch.manual_seed(0)
    small = {"d_model": 16, "heads": 2, "feed_forward": 32, "encoder_layers": 1, "decoder_layers": 1}
    config = {"vectors": {"image": 12, "location": 6}, "neighbours": 3, "levels": (0, 2, 4)}
    return GeoToken(GeoTokenConfig.compact(**small, **config)).eval()


class SecondIsBest(Judge):
    """Answers without a server."""

    def judge(self, pictures, candidates, **options):
        return [
            Verdict(
                places[-1].latitude, places[-1].longitude, min(1, len(places) - 1), "judge", "", 1, 0, 0, None
            )
            for _, places in zip(pictures, candidates, strict=True)
        ]


def similarity():
    torch.manual_seed(1)
    location = LocationEncoderConfig(sigmas=(1.0, 4.0), frequencies=8, hidden=16, layers=1, width=6)
    return Similarity(Alignment(AlignmentConfig(feature_width=10, location=location)).eval())


def reward():
    torch.manual_seed(2)
    return Reward(RewardModel.from_geotoken(geotoken(), near_km=200, hidden=8).eval())


def judged(count=5):
    config = JudgeConfig(url="http://127.0.0.1:9/v1", model="eye")
    return Judged(SecondIsBest(config), [Image.new("RGB", (8, 8))] * count)


def fused():
    weights = {"log-probability": 1.0, "reward": -0.5, "minimum-risk": 20.0}
    return Fused(
        Fusion(model="tiny", fitted_on="nothing", pictures=0, weights=weights),
        {"log-probability": LogProbability(), "reward": reward(), "minimum-risk": MinimumRisk()},
    )


TINY = {
    "log-probability": LogProbability,
    "similarity": similarity,
    "minimum-risk": MinimumRisk,
    "minimum-risk-median": lambda: MinimumRisk("median"),
    "minimum-risk-within": lambda: MinimumRisk("within", within_km=500),
    "reward": reward,
    "judge": judged,
    "fusion": fused,
}


@pytest.fixture(params=TINY)
def selector(request):
    if "judge" in request.param:
        pytest.importorskip("openai")
    return TINY[request.param]()


@pytest.fixture(scope="module")
def model():
    return geotoken()


@pytest.fixture(scope="module")
def query(model):
    generator = torch.Generator().manual_seed(3)
    places = np.random.default_rng(3).uniform((-80, -180), (80, 180), (5, 3, 2))
    widths = model.config.vectors.items()
    return Query(
        {name: torch.randn(5, width, generator=generator) for name, width in widths},
        Neighbours(
            vectors={name: torch.randn(5, 3, width, generator=generator) for name, width in widths},
            similarities=torch.rand(5, 3, generator=generator),
            lat_lon=torch.from_numpy(places),
            tokens=torch.from_numpy(model.scheme.encode(*places.reshape(-1, 2).T)).view(5, 3, -1),
        ),
    )


@pytest.fixture(scope="module")
def ragged(model, query):
    """Samples: some pictures have fewer different ones than others, and so surplus entries."""
    found = sample(model, query, count=12, seed=0, temperature=0.5)
    assert (found.log_probs == -torch.inf).any()
    return found


def test_every_registered_selector_is_held_to_the_contract():
    pytest.importorskip("openai")
    tried = {type(make()) for make in TINY.values()}
    assert {SELECTORS.find(name) for name in SELECTORS} <= tried


def test_every_candidate_gets_a_score(selector, model, query):
    found = beam(model, query, width=7)
    scores = selector(query, found, model.scheme)
    assert scores.shape == (5, 7)
    assert scores.is_floating_point()
    assert scores.isfinite().all()
    assert not scores.requires_grad


def test_what_is_no_answer_is_never_chosen(selector, model, query, ragged):
    scores = selector(query, ragged, model.scheme)
    assert torch.equal(scores.isfinite(), ragged.log_probs.isfinite())
    assert not scores.isnan().any()
    assert ragged.log_probs.gather(1, scores.argmax(1, keepdim=True)).isfinite().all()


def test_pictures_do_not_influence_each_other(selector, model, query, ragged):
    together = selector(query, ragged, model.scheme)
    for row in range(5):
        alone = type(ragged)(
            tokens=ragged.tokens[row : row + 1],
            token_log_probs=ragged.token_log_probs[row : row + 1],
            log_probs=ragged.log_probs[row : row + 1],
        )
        one = judged(1) if isinstance(selector, Judged) else selector
        torch.testing.assert_close(
            one(query[row : row + 1], alone, model.scheme), together[row : row + 1], **CLOSE
        )


def test_it_is_deterministic_and_leaves_the_candidates_alone(selector, model, query, ragged):
    tokens, log_probs = ragged.tokens.clone(), ragged.log_probs.clone()
    first, second = (selector(query, ragged, model.scheme) for _ in range(2))
    assert torch.equal(first, second)
    assert torch.equal(ragged.tokens, tokens)
    assert torch.equal(ragged.log_probs, log_probs)


def test_a_picture_without_any_answer_has_no_best(selector, model, query):
    found = beam(model, query, width=3)
    none = type(found)(found.tokens, found.token_log_probs, found.log_probs.clone())
    none.log_probs[2] = -torch.inf
    scores = selector(query, none, model.scheme)
    assert (scores[2] == -torch.inf).all()
    assert scores[[0, 1, 3, 4]].isfinite().all()


def test_no_pictures(selector, model, query):
    one = judged(0) if isinstance(selector, Judged) else selector
    assert one(query[:0], beam(model, query[:0], width=3), model.scheme).shape[0] == 0
