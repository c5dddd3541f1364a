"""The two ways of the field to tell distance."""

import pytest

from graticule.errors import ConfigError
from graticule.evaluation.metrics import summarise
from graticule.evaluation.rulers import RULERS, ruler


def test_they_say_what_counts_as_within():
    assert (ruler("haversine").sign, ruler("geodesic").sign) == ("<", "<=")
    for name, measure in RULERS.items():
        shares = summarise([25.0], thresholds=(25,), inclusive=measure.inclusive).within
        assert shares[25].value == (name == "geodesic")
        assert name in str(measure)
        assert measure.sign in str(measure)


def test_they_differ_by_what_they_should():
    poles = {name: float(measure.km(90, 0, 0, 0)) for name, measure in RULERS.items()}
    assert poles["haversine"] == pytest.approx(10_007.543)
    assert poles["geodesic"] == pytest.approx(10_001.966)


def test_there_is_no_third():
    with pytest.raises(ConfigError, match="haversine or geodesic"):
        ruler("vincenty")
