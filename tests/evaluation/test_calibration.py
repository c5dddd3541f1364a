"""Judging probabilities: regions keep their word on pictures not seen in fitting, and figures say how well."""

import io
import math
import sys

import numpy as np
import pytest
from PIL import Image

from graticule.errors import ConfigError, InputError
from graticule.evaluation.calibration import (
    COVERAGES,
    calibration_error,
    coverage_table,
    recall_by_area,
    risk_by_coverage,
    wilson,
)
from graticule.figures.calibration import calibration_figure


def test_regions_and_circles_cover_what_they_say(judged):
    _, raw, calibrated = judged
    for before, after in zip(coverage_table(raw), coverage_table(calibrated), strict=True):
        assert before.region.high < after.asked
        # 800 pictures fitted and 800 asked: both samples' errors.
        assert after.region.value == pytest.approx(after.asked, abs=4 * math.sqrt(0.25 / 800 * 2))
        assert after.circle.value == pytest.approx(after.asked, abs=4 * math.sqrt(0.25 / 800 * 2))
        assert after.region_km2 > before.region_km2


def test_outcomes_agree_among_themselves(judged):
    _, raw, _ = judged
    assert (raw.region_covers[:, :-1] <= raw.region_covers[:, 1:]).all()
    for place, coverage in enumerate(COVERAGES):
        covered = raw.region_covers[:, round(100 * coverage) - 1]
        assert (covered == (raw.searched_km2 <= raw.region_km2[:, place] * (1 + 1e-9))).all()
    assert ((raw.confidence >= 0) & (raw.confidence <= 1 + 1e-9)).all()
    assert (np.diff(raw.right.astype(int), axis=1).sum(axis=1) <= 0).mean() > 0.9


def test_wilson_s_interval():
    # Newcombe 1998, table I: 81 of 263, and 0 of 20.
    seen = wilson(np.arange(263) < 81)
    assert (seen.value, seen.low, seen.high) == pytest.approx((0.3080, 0.2553, 0.3662), abs=5e-5)
    none = wilson(np.zeros(20))
    assert (none.low, none.high) == pytest.approx((0, 0.1611), abs=5e-5)
    with pytest.raises(InputError, match="no pictures"):
        wilson([])


def test_the_calibration_error():
    assert calibration_error([0.05] * 20, [1] + [0] * 19) == pytest.approx(0)
    assert calibration_error([1.0] * 4, [1, 1, 0, 0]) == pytest.approx(0.5)
    # Half of them 0.1 too sure and half 0.3 too modest do not make up for each other.
    said, was = [0.6] * 10 + [0.2] * 10, [1] * 5 + [0] * 5 + [1] * 5 + [0] * 5
    assert calibration_error(said, was) == pytest.approx(0.2)


def test_recall_grows_with_the_area_searched():
    areas, recall = recall_by_area([30.0, 10.0, 20.0, 40.0])
    assert areas.tolist() == [10, 20, 30, 40]
    assert recall.tolist() == [0.25, 0.5, 0.75, 1.0]


def test_what_abstaining_saves():
    curve = risk_by_coverage([2.0, 1.0, 3.0], [10.0, 20.0, 60.0])
    assert curve.coverage.tolist() == pytest.approx([1 / 3, 2 / 3, 1])
    assert curve.risk.tolist() == [20, 15, 30]
    assert curve.area == pytest.approx(65 / 3)
    assert curve.best_area == pytest.approx((10 + 15 + 30) / 3)
    assert curve.no_area == 30
    with pytest.raises(InputError, match="doubts"):
        risk_by_coverage([1.0], [1.0, 2.0])
    with pytest.raises(InputError, match="doubts"):
        risk_by_coverage([], [])


def test_one_sheet_shows_it_all(judged):
    pytest.importorskip("matplotlib")
    _, raw, calibrated = judged
    out = io.BytesIO()
    calibration_figure({"as it is": raw, "calibrated": calibrated}).savefig(out)
    pixels = np.asarray(Image.open(out).convert("RGB")).astype(int)
    assert pixels.shape == (1100, 1400, 3)
    for colour in ((0x56, 0xB4, 0xE9), (0xFF, 0xB0, 0x00)):
        assert (np.abs(pixels - colour).max(-1) < 20).sum() > 500
    assert "matplotlib.pyplot" not in sys.modules
    with pytest.raises(ConfigError, match="0 outcomes"):
        calibration_figure({})
