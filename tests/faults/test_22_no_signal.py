"""Fault 22: pictures that show no place."""

from dataclasses import replace

import numpy as np
import pytest

from faults.answers import located
from faults.fault import Fault
from faults.no_signal import KINDS, SETTLED_ON, files
from graticule import locator
from graticule.locator import Geolocator

FAULT = Fault(
    number=22,
    fault="a photo without signal: black, noise, a document",
    defence="a picture unlike those the model was calibrated on gives no more than an even spread over the Earth, and "
    "says so (decoding/familiarity.py); an estimate that was asked to be surer than it is gives way to its circle",
)

EACH = 10
MISSED = {"gradient"}
"""A smooth gradient is like a hazy view: four in ten are not doubted, see benchmarks/no_signal.py."""
CAUGHT = [kind for kind in KINDS if kind not in MISSED]
WIDER = 1000
"""How many times larger than that of a view its 90 % region is, at the median of a kind."""
ASKED = {"min_confidence": 0.8, "confidence_km": 100}


def areas_km2(results):
    return np.array([result.credible_region(0.9).area_km2 for result in results])


def answered(orbit, folder, kinds, count):
    """What is said of some pictures of each kind."""
    return {kind: list(orbit.locate(paths, **ASKED)) for kind, paths in files(folder, kinds, count).items()}


def check_wide(said, of_views):
    """The region that holds 90 % is many times that of views."""
    usual = np.median(areas_km2(of_views))
    for kind, results in said.items():
        assert np.median(areas_km2(results)) > WIDER * usual, kind


def check_unsure(said, of_views):
    """Asked to be sure, the model is so of most views, and of no such picture."""
    assert sum(result.not_sure is None for result in of_views) > len(of_views) / 2
    for kind, results in said.items():
        assert [result.path for result in results if result.not_sure is None] == [], kind


def without_familiarity(orbit):
    return Geolocator(replace(orbit.model, familiarity=None))


@pytest.fixture(scope="module")
def orbit():
    return Geolocator.load("orbit")


@pytest.fixture(scope="module")
def of_views(orbit, pictures):
    return list(orbit.locate(pictures, **ASKED))


@pytest.fixture(scope="module")
def said(orbit, tmp_path_factory):
    return answered(orbit, tmp_path_factory.mktemp("pictures"), CAUGHT, EACH)


def test_the_region_is_wide(said, of_views, record_property):
    check_wide(said, of_views)
    record_property("inputs", EACH * len(said))


def test_it_says_that_it_is_not_sure(said, of_views, record_property):
    check_unsure(said, of_views)
    record_property("inputs", EACH * len(said))


def test_views_are_not_doubted(of_views):
    assert [result.notice for result in of_views] == [None] * len(of_views)


def test_the_command_says_so_and_names_no_point(tmp_path, capsys):
    paths = [paths[0] for paths in files(tmp_path, SETTLED_ON, 1).values()]
    status, records, _ = located(capsys, "orbit", *paths, "--min-confidence", "0.8", "--radius", "100")
    assert status == 0
    for record in records:
        assert "latitude" not in record
        assert record["not_sure"]["probability"] < 0.8
        assert "in 1,000 of the pictures that orbit was calibrated on" in record["notice"]


def test_a_region_asked_for_is_as_unknown(orbit, tmp_path):
    [paths] = files(tmp_path, ["document"], 3).values()
    for result in orbit.locate(paths, within="Chile"):
        assert result.notice is not None
        assert result.region_probability == pytest.approx(756_000 / 510_000_000, rel=0.1)
        assert result.radius_km > 1000


def test_all_roads_lead_to_the_doubt(orbit, tmp_path):
    [paths] = files(tmp_path, ["document"], 2).values()
    for (_, found), greedy, chosen in zip(
        orbit.densities(paths),
        orbit.locate(paths, decode="greedy"),
        orbit.locate(paths, select="similarity"),
        strict=True,
    ):
        assert 2 ** found.entropy_bits()[0] > 5e8
        assert greedy.radius_km > 10_000
        assert chosen.radius_km > 10_000


def test_without_familiarity_some_pass(orbit, of_views, tmp_path):
    with pytest.raises(AssertionError, match="moved_noise"):
        check_unsure(answered(without_familiarity(orbit), tmp_path, ["moved_noise"], EACH), of_views)


def test_without_familiarity_a_document_has_a_region(orbit, of_views, tmp_path):
    with pytest.raises(AssertionError, match="document"):
        check_wide(answered(without_familiarity(orbit), tmp_path, ["document"], EACH), of_views)


def test_without_the_doubt_every_answer_is_a_point(orbit, of_views, tmp_path, monkeypatch):
    monkeypatch.setattr(locator, "_doubt", lambda confidence, km: lambda prediction: prediction)
    with pytest.raises(AssertionError, match="black"):
        check_unsure(answered(orbit, tmp_path, ["black"], 3), of_views)
