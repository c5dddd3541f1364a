"""The model that comes with the package: small enough, whole, and as good as its card says."""

import json
from pathlib import Path

import numpy as np
import pytest

from graticule.data.truth import read_truth
from graticule.earth.distance import haversine_km
from graticule.evaluation.metrics import geoscore
from graticule.locator import Geolocator
from graticule.store import shipped_models

EXAMPLES = Path(__file__).parents[1] / "examples"


@pytest.fixture(scope="module")
def orbit():
    return Geolocator.load("orbit")


def test_it_fits_into_the_wheel():
    assert sum(file.stat().st_size for file in shipped_models()["orbit"].iterdir()) < 35e6


def test_its_config_says_what_it_is_for(orbit):
    assert orbit.name == "orbit"
    assert "not street-level" in orbit.purpose


def test_it_places_the_examples(orbit):
    truth = read_truth(EXAMPLES / "truth.csv", EXAMPLES / "pictures")
    results = list(orbit.locate([known.path for known in truth]))
    km = haversine_km(
        [known.latitude for known in truth],
        [known.longitude for known in truth],
        [result.latitude for result in results],
        [result.longitude for result in results],
    )
    assert np.median(km) < 60
    assert geoscore(km).mean() > 4500


def test_the_results_on_file_are_the_shipped_models():
    report = json.loads((EXAMPLES.parent / "benchmarks/results/evaluate.json").read_text())
    best = report["summaries"][report["best"]]
    card = (shipped_models()["orbit"] / "MODEL_CARD.md").read_text()
    assert f"| {best['geoscore']['value']:.0f} ± " in card
