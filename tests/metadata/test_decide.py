"""What is worth writing, and that a person's word goes before the model's."""

import pytest

from graticule.errors import ConfigError
from graticule.metadata.answer import Answer
from graticule.metadata.decide import Placement, Rules, decide

ANYTHING = Rules()
MOVED = {"status": "moved", "latitude": 46.0, "longitude": 10.0, "note": "the Ortler"}


@pytest.fixture
def decided(line):
    def decided(rules=ANYTHING, **changes):
        return decide(Answer.model_validate(line("a.jpg", **changes)), rules)

    return decided


def test_an_estimate_is_written_with_its_circle(decided):
    assert decided(model_digest="12ab") == Placement(-43.1, 5.25, 24.2, "orbit", "12ab")


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"error": {"type": "PictureError", "message": "x"}}, "refused"),
        ({"latitude": None, "longitude": None, "not_sure": {"probability": 0.1}}, "not sure"),
        ({"latitude": None, "longitude": None}, "no estimate"),
        ({"notice": "flatter than all"}, "nothing is known"),
        ({"review": {"status": "rejected"}}, "rejected"),
        ({"latitude": 0.0, "longitude": -0.0}, r"(0, 0)"),
    ],
)
def test_what_is_no_answer_is_not_written(decided, changes, why):
    assert why in decided(**changes)


def test_a_moved_place_is_the_persons_and_has_no_circle_of_the_model(decided):
    for changes in ({}, {"not_sure": {}, "latitude": None, "longitude": None}, {"error": {}}):
        placed = decided(Rules(max_radius_km=1), review=MOVED, **changes)
        assert placed == Placement(46.0, 10.0, None, "orbit", review="moved", note="the Ortler")
    assert "(0, 0)" in decided(review={"status": "moved", "latitude": 0.0, "longitude": 0.0})


def test_a_confirmed_estimate_need_not_be_sure(decided):
    placed = decided(Rules(max_radius_km=1, reviewed_only=True), review={"status": "confirmed"})
    assert (placed.radius_km, placed.review) == (24.2, "confirmed")
    assert isinstance(decided(not_sure={}, review={"status": "confirmed"}), str), (
        "nothing was there to confirm"
    )


@pytest.mark.parametrize(
    ("rules", "written"),
    [
        (Rules(max_radius_km=24.2), True),
        (Rules(max_radius_km=24.1), False),
        (Rules(0.9, 24.2), True),
        (Rules(0.5, 24.1), False),
        (Rules(0.95, 5_000), False),
        (Rules(reviewed_only=True), False),
    ],
)
def test_how_sure_an_answer_must_be(decided, rules, written):
    assert isinstance(decided(rules), Placement) == written


def test_other_circles_of_the_results_are_heard(decided):
    circles = {"50": 8.0, "99": 400.0, "most": 1.0}
    assert isinstance(decided(Rules(0.5, 8.0), circles_km=circles), Placement)
    assert isinstance(decided(Rules(0.95, 400.0), circles_km=circles), Placement)
    assert decided(Rules(0.6, 8.0), circles_km=circles) == "less than 60 % within 8.0 km"


def test_a_confidence_needs_a_distance():
    with pytest.raises(ConfigError, match="distance"):
        Rules(min_confidence=0.5)
