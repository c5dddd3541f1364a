"""The nearest of many places, against all of them."""

import sys

import numpy as np
import pytest

from graticule.earth.distance import haversine_km
from graticule.errors import MissingExtraError
from graticule.evaluation.nearest import nearest


def test_it_is_the_nearest_on_the_sphere():
    rng = np.random.default_rng(0)
    some, among = (rng.uniform((-90, -180), (90, 180), (count, 2)) for count in (50, 300))
    rows, km = nearest(some, among)
    every = haversine_km(some[:, :1], some[:, 1:], among[:, 0], among[:, 1])
    np.testing.assert_array_equal(rows, every.argmin(axis=1))
    np.testing.assert_allclose(km, every.min(axis=1), rtol=1e-9)


def test_the_antimeridian_is_no_border():
    rows, km = nearest(np.array([[0.0, 179.9]]), np.array([[0.0, 170.0], [0.0, -179.9]]))
    assert rows.tolist() == [1]
    assert km[0] == pytest.approx(22.239, abs=1e-3)


def test_it_needs_scipy(monkeypatch):
    monkeypatch.setitem(sys.modules, "scipy.spatial", None)
    with pytest.raises(MissingExtraError, match=r"graticule\[evaluation\]"):
        nearest(np.zeros((1, 2)), np.zeros((1, 2)))
