"""Groups, and the worst misses."""

import numpy as np

from graticule.evaluation.breakdown import Answers, group_rows, true_countries, worst_misses


def test_groups_hold_every_picture_once_the_largest_first():
    groups = group_rows(np.array(["b", None, "a", "b", None, "b"], dtype=object))
    assert next(iter(groups)) == "b"
    assert sorted(np.concatenate(list(groups.values())).tolist()) == list(range(6))
    assert groups["sea, or not known"].tolist() == [1, 4]


def test_a_label_names_the_country_and_the_outlines_do_else():
    places = np.array([[48.86, 2.35], [48.86, 2.35], [52.5, 13.4]])
    labels = {"country": np.array(["BE", None, "Atlantis"], dtype=object)}
    assert true_countries(places, labels).tolist() == ["Belgium", "France", "Germany"]


def test_misses_are_sorted_and_named():
    answers = Answers(
        rows=np.array([0, 2, 3]),
        truth=np.array([[48.86, 2.35], [52.5, 13.4], [0.0, 0.0]]),
        points=np.array([[48.86, 2.35], [48.86, 2.35], [0.0, -30.0]]),
        km=np.array([0.0, 880.0, 3340.0]),
    )
    countries = np.array(["France", "Germany", None], dtype=object)
    worst = worst_misses(answers, ["a", "b", "c", "d"], countries, count=2)
    assert [(miss.row, miss.id, miss.km) for miss in worst] == [(3, "d", 3340.0), (2, "c", 880.0)]
    assert [(miss.true_country, miss.answered_country) for miss in worst] == [
        (None, None),
        ("Germany", "France"),
    ]
