"""The comparison of traversals and selectors, on pools small enough to read."""

import json

import numpy as np
import pytest
import torch

from graticule.decoding.select.fusion import Fusion
from graticule.decoding.select.probability import LogProbability
from graticule.decoding.select.risk import MinimumRisk
from graticule.evaluation.metrics import geoscore
from graticule.evaluation.selection import (
    ORACLE,
    TRAVERSALS,
    Pool,
    compare,
    fit_fusion,
    pool,
    selection_table,
)

INF = np.inf


def made(count=40, width=4, seed=0):
    """A pool whose selector "knows" often prefers what is near; the last candidate of every other is none."""
    random = np.random.default_rng(seed)
    km = random.uniform(1, 3000, (count, width))
    km[::2, -1] = INF
    scores = {
        "log-probability": random.normal(size=(count, width)),
        "knows": -km / 500 + random.normal(size=(count, width)),
    }
    none = ~np.isfinite(km)
    return Pool(km, {name: torch.from_numpy(np.where(none, -INF, part)) for name, part in scores.items()})


def greedy_pool(count=40):
    km = np.random.default_rng(9).uniform(1, 3000, (count, 1))
    return Pool(km, {"log-probability": torch.zeros(count, 1)})


def test_a_choice_is_the_highest_score_and_the_oracle_the_nearest():
    found = Pool(np.array([[5.0, 9, INF], [7, 3, 1]]), {"s": torch.tensor([[0.0, 1, -INF], [2, 0, 1]])})
    assert found.chosen_km("s").tolist() == [9, 7]
    assert found.nearest_km().tolist() == [5, 1]


@pytest.fixture(scope="module")
def rows():
    return compare({"greedy": greedy_pool(), "beam 4": made()})


def test_every_traversal_meets_every_selector_and_the_oracle_is_marked(rows):
    assert [(row["traversal"], row["selector"]) for row in rows] == [
        ("greedy", "log-probability"),
        ("beam 4", "log-probability"),
        ("beam 4", "knows"),
        ("beam 4", ORACLE),
    ]
    assert [row["upper_bound"] for row in rows] == [False, False, False, True]


def test_differences_are_of_the_same_pictures(rows):
    alone, base, knows, oracle = rows
    for row in rows:
        value = row["summary"]["geoscore"]["value"]
        for key, other in (("less_greedy", alone), ("less_log_probability", alone if row is alone else base)):
            assert row[key]["geoscore"]["value"] == pytest.approx(
                value - other["summary"]["geoscore"]["value"]
            )
    assert alone["less_greedy"]["geoscore"]["high"] == 0
    assert knows["less_log_probability"]["geoscore"]["low"] > 0
    assert oracle["summary"]["geoscore"]["value"] >= knows["summary"]["geoscore"]["value"]


def test_the_table_marks_what_is_clear_of_zero_and_reads_json_alike(rows):
    table = selection_table(rows)
    assert table == selection_table(json.loads(json.dumps(rows)))
    alone, _, knows, oracle = table.splitlines()[2:]
    assert alone.count("| +0.0 ± 0.0 |") == 1
    assert knows.endswith("\\* |")
    assert f"*{ORACLE}*" in oracle
    assert {line.count("|") for line in table.splitlines()} == {9}


def test_fusion_is_fitted_on_one_pool_and_gains_on_another():
    fusion = fit_fusion(made(), model="tiny", fitted_on="a pool")
    assert (fusion.model, fusion.fitted_on, fusion.pictures) == ("tiny", "a pool", 40)
    fused = made(seed=1).with_fusion(fusion)
    gained = {name: geoscore(fused.chosen_km(name)).mean() for name in fused.scores}
    assert gained["fusion"] > gained["log-probability"] + 100


def test_fusion_sums_scores_and_chooses_no_missing_answer():
    weights = {"log-probability": 0.5, "knows": -2.0}
    before = made()
    fused = before.with_fusion(Fusion(model="", fitted_on="", pictures=0, weights=weights))
    there = torch.from_numpy(np.isfinite(before.km))
    total = 0.5 * before.scores["log-probability"] - 2 * before.scores["knows"]
    torch.testing.assert_close(fused.scores["fusion"][there], total[there])
    assert torch.equal(fused.scores["fusion"].isfinite(), there)


@pytest.mark.parametrize("name", TRAVERSALS)
def test_every_traversal_gives_the_same_pool_however_pictures_are_batched(name, tiny_model, monkeypatch):
    features = torch.randn(6, 16, generator=torch.Generator().manual_seed(0))
    places = np.random.default_rng(0).uniform((-80, -180), (80, 180), (6, 2))
    selectors = {"log-probability": LogProbability(), "minimum-risk": MinimumRisk()}
    whole = pool(tiny_model, features, places, traversal=TRAVERSALS[name], selectors=selectors)
    monkeypatch.setattr("graticule.evaluation.selection._BATCH", 4)
    parts = pool(tiny_model, features, places, traversal=TRAVERSALS[name], selectors=selectors)
    assert whole.km.shape == parts.km.shape == whole.scores["minimum-risk"].shape
    assert np.isfinite(whole.nearest_km()).all()
    for selector in selectors:
        torch.testing.assert_close(whole.scores[selector], parts.scores[selector], rtol=0, atol=1e-4)
