"""Fault 16: a coordinate is a place on Earth, kept exactly, or it is refused, at every door."""

import json
import math

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file

from faults.fault import Fault
from graticule.data.truth import read_truth
from graticule.decoding.judge.verdict import JudgeCandidate
from graticule.earth import s2
from graticule.earth.cells import TokenScheme
from graticule.earth.distance import haversine_km, latlon_from_vectors, unit_vectors
from graticule.earth.places import Places
from graticule.earth.regions import parse_region
from graticule.earth.regions.parse import region_of_geojson
from graticule.errors import GraticuleError
from graticule.metadata.results import read_results
from graticule.prediction import Candidate, Prediction, answer
from graticule.training.index import index_folder

FAULT = Fault(
    number=16,
    fault="NaN, infinity, poles, antimeridian in any coordinate API",
    defence="each door checks that it is given places on Earth, in a form that NaN fails too (earth/s2.py, "
    "earth/regions, prediction/answer.py, data/truth.py, metadata/answer.py)",
)
FINEST = TokenScheme.uniform(30)


def from_table(folder, lat, lon):
    (folder / "truth.csv").write_text(f"path,latitude,longitude\na.jpg,{lat!r},{lon!r}\n")
    [truth] = read_truth(folder / "truth.csv")
    assert (truth.latitude, truth.longitude) == (lat, lon)


def from_results(folder, lat, lon):
    line = {
        "path": "a.jpg",
        "latitude": lat,
        "longitude": lon,
        "radius_km": 1.0,
        "candidates": [],
        "model": "m",
    }
    (folder / "results.jsonl").write_text(json.dumps(line) + "\n")
    [(_, told)] = read_results(folder / "results.jsonl").answers
    assert (told.latitude, told.longitude) == (lat, lon)


def from_features(folder, lat, lon):
    tensors = {
        "features": torch.randn(3, 8).half(),
        "lat_lon": torch.tensor([[1.0, 2.0], [lat, lon], [3.0, 4.0]], dtype=torch.float64),
    }
    (folder / "features").mkdir(exist_ok=True)
    save_file(tensors, folder / "features" / "shard-00000000.safetensors")
    index_folder(folder / "features", folder / "index", report=lambda line: None)


def from_geojson(folder, lat, lon):
    lon = 2 * lon  # a ring may run on past 180 degrees, once around
    corner = [[lon, lat], [lon - math.copysign(1, lon), lat], [lon, lat - math.copysign(1, lat)], [lon, lat]]
    region_of_geojson({"type": "Polygon", "coordinates": [corner]}, name="mine")


DOORS = {
    "tokens": lambda folder, lat, lon: FINEST.encode([0.0, lat], [0.0, lon]),
    "cells": lambda folder, lat, lon: s2.cell_ids(lat, lon, level=12),
    "places": lambda folder, lat, lon: Places.load().at([lat], [lon]),
    "a region's points": lambda folder, lat, lon: parse_region("0,0,10,10").contains([[lat, lon]]),
    "a circle": lambda folder, lat, lon: parse_region(f"5 km around {lat!r},{lon!r}"),
    "GeoJSON": from_geojson,
    "a prediction": lambda folder, lat, lon: Prediction("a.jpg", lat, lon, 1.0, (), "m"),
    "a candidate": lambda folder, lat, lon: Candidate(lat, lon, 0.5, "1"),
    "a judge's candidate": lambda folder, lat, lon: JudgeCandidate(lat, lon),
    "truth.csv": from_table,
    "results": from_results,
    "features": from_features,
}
beyond = st.one_of(
    st.sampled_from([math.nan, math.inf, -math.inf]),
    st.floats(min_value=180, exclude_min=True, allow_infinity=False),
)
latitudes, longitudes = st.floats(-90, 90), st.floats(-180, 180)
wrong = st.one_of(
    st.tuples(beyond, longitudes),
    st.tuples(latitudes, beyond),
    st.tuples(beyond.map(lambda value: -value), longitudes),
    st.tuples(st.floats(90, 180, exclude_min=True), longitudes),
)


def check_refused(door, folder, lat, lon):
    with pytest.raises(GraticuleError) as refusal:
        DOORS[door](folder, lat, lon)
    assert str(refusal.value)


def check_round_trip(lat, lon):
    """Every place there is comes back from cells, vectors and files as it went in."""
    tokens = FINEST.encode([lat], [lon])
    there = FINEST.centres(tokens)
    assert haversine_km(lat, lon, *there)[0] < 2e-5  # a leaf cell is a centimetre wide
    assert np.array_equal(FINEST.encode(*there), tokens)
    assert haversine_km(lat, lon, *latlon_from_vectors(unit_vectors(lat, lon))) < 1e-6
    told = Prediction("a.jpg", lat, lon, 1.0, (), "m").to_geojson()
    assert json.loads(json.dumps(told))["geometry"]["coordinates"] == [lon, lat]


@pytest.mark.parametrize("door", DOORS)
def test_what_is_no_place_is_refused(door, tmp_path, record_property):
    tried = 0

    @settings(max_examples=8 if door == "features" else 40, derandomize=True, deadline=None)
    @given(wrong)
    @example((math.nan, 0.0))
    @example((0.0, math.nan))
    @example((math.nextafter(90, 91), 0.0))
    @example((0.0, math.nextafter(-180, -181)))
    @example((95.0, 10.0))
    def refused(place):
        nonlocal tried
        tried += 1
        check_refused(door, tmp_path, *place)

    refused()
    record_property("inputs", tried)


@pytest.mark.parametrize("door", [name for name in DOORS if name not in ("GeoJSON", "features")])
@pytest.mark.parametrize("lat", [-90.0, 0.0, 90.0])
@pytest.mark.parametrize("lon", [-180.0, 0.0, 180.0])
def test_poles_and_the_antimeridian_are_places(door, lat, lon, tmp_path):
    DOORS[door](tmp_path, lat, lon)


def test_every_place_comes_back_as_it_went_in(record_property):
    tried = 0

    @settings(max_examples=300, derandomize=True, deadline=None)
    @given(latitudes, longitudes)
    @example(90.0, 180.0)
    @example(-90.0, -180.0)
    @example(5e-324, -5e-324)
    def kept(lat, lon):
        nonlocal tried
        tried += 1
        check_round_trip(lat, lon)

    kept()
    record_property("inputs", tried)


def test_without_the_defence_nan_is_a_cell(tmp_path, monkeypatch):
    monkeypatch.setattr(s2, "_points", lambda lat, lon: (np.asarray(lat, float), np.asarray(lon, float)))
    for door in ("tokens", "cells"):
        with pytest.raises(pytest.fail.Exception), np.errstate(all="ignore"):
            check_refused(door, tmp_path, math.nan, 0.0)


def test_without_the_defence_nan_is_an_answer(tmp_path, monkeypatch):
    monkeypatch.setattr(answer, "_check_place", lambda latitude, longitude: None)
    for door in ("a prediction", "a candidate"):
        with pytest.raises(pytest.fail.Exception):
            check_refused(door, tmp_path, math.nan, 0.0)


def test_without_the_defence_a_place_comes_back_elsewhere(monkeypatch):
    centres = s2.centres
    monkeypatch.setattr(s2, "centres", lambda ids: tuple(part + 1e-5 for part in centres(ids)))
    with pytest.raises(AssertionError):
        check_round_trip(48.0, 2.0)
