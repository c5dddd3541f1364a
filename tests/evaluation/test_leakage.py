"""A gallery that holds the pictures it is judged on is found out."""

import io
from dataclasses import replace

import numpy as np
import pytest
import torch
from rich.console import Console

from graticule.earth.cells import TokenScheme
from graticule.errors import ConfigError, InputError
from graticule.evaluation.leakage import Leaks, Nearness, find_leaks, without
from graticule.evaluation.methods import baselines
from graticule.evaluation.places import PlaceTable
from graticule.evaluation.report import Settings, judge_features
from graticule.retrieval.gallery import Gallery
from graticule.tokens.gallery import GalleryCellModel


@pytest.fixture(scope="module")
def leaky(clear_model):
    """(model, features, places): the first three gallery rows are the judged pictures themselves."""
    draws = torch.Generator().manual_seed(1)
    features = torch.randn(12, clear_model.config.encoder.width, generator=draws)
    vectors = clear_model.gallery.vectors.clone()
    vectors[:3] = clear_model.alignment.images(features[:3])
    places = clear_model.gallery.lat_lon[:12].numpy().copy()
    places[3:] += (0.0, 2.0)
    places[:, 1] = (places[:, 1] + 180) % 360 - 180
    return replace(clear_model, gallery=Gallery(clear_model.gallery.lat_lon, vectors)), features, places


def test_twins_are_found_by_look_and_by_place(leaky):
    model, features, places = leaky
    leaks = find_leaks(model, features, places, nearness=Nearness(cosine=0.999, km=0.01))
    assert np.flatnonzero(leaks.by_vectors).tolist() == [0, 1, 2]
    assert np.flatnonzero(leaks.by_place).tolist() == [0, 1, 2]
    assert leaks.by_author is None
    assert leaks.counts() == {
        "same author": None,
        "near-duplicate vectors": 3,
        "near-duplicate place": 3,
        "any of these": 3,
    }


def test_a_crowd_of_twins_is_found_whole(leaky, monkeypatch):
    model, features, places = leaky
    monkeypatch.setattr("graticule.evaluation.leakage._NEIGHBOURS", 1)
    leaks = find_leaks(model, features, places, nearness=Nearness(cosine=-1.0, km=0.0))
    assert leaks.by_vectors.all()


def test_rows_of_the_same_author_are_found_by_the_place_of_their_record(leaky):
    model, features, places = leaky
    gallery = model.gallery.lat_lon.numpy()
    table = PlaceTable(
        "train", gallery[:6], {"author": np.array(["ann", "bob", "ann", None, "cy", "ann"], object)}
    )
    authors = np.array(["ann", None] * 6, dtype=object)
    leaks = find_leaks(model, features, places, authors=authors, table=table)
    same_place = {tuple(place) for place in gallery[[0, 2, 5]].tolist()}
    expected = [row for row, place in enumerate(gallery.tolist()) if tuple(place) in same_place]
    assert np.flatnonzero(leaks.by_author).tolist() == expected
    strangers = find_leaks(model, features, places, authors=np.array(["dee"] * 12, object), table=table)
    assert not strangers.by_author.any()


def test_the_audited_model_has_the_rest_of_the_gallery(leaky):
    model, features, places = leaky
    leaks = find_leaks(model, features, places, nearness=Nearness(cosine=0.999, km=0.01))
    clean = without(model, leaks)
    assert len(clean.gallery) == len(model.gallery) - 3
    assert torch.equal(clean.gallery.vectors, model.gallery.vectors[3:])
    everything = Leaks(None, None, np.ones(len(model.gallery), dtype=bool))
    with pytest.raises(InputError, match="drops all"):
        without(model, everything)


class Half:
    """An index that finds every other row only, as long as these are enough, and remembers what it was asked."""

    def __init__(self, vectors):
        self.vectors, self.asked = vectors, []

    def __len__(self):
        return len(self.vectors)

    def search(self, queries, k):
        self.asked.append(k)
        similarities = queries @ self.vectors.T
        if k <= len(self) // 2:
            similarities[:, 1::2] -= 10
        return similarities.topk(k)


def test_the_audit_asks_the_same_index_so_that_only_the_leak_tells(leaky):
    model, features, _ = leaky
    index = Half(model.gallery.vectors)
    approximate = replace(model, gallery=replace(model.gallery, built=index))
    # All that the first picture would find at first leaks: more must be asked for.
    searched = model.searched(features)
    rows = np.zeros(len(index), dtype=bool)
    rows[index.search(searched[:1], 20)[1][0].numpy()] = True
    rows[:2] = True
    clean = without(approximate, Leaks(None, None, rows))
    index.asked.clear()
    similarities, found = clean.index.search(searched, 4)
    assert index.asked[:2] == [8, 16]
    left = np.flatnonzero(~rows)
    assert len(clean.index) == len(left) == len(clean.gallery)
    everything = index.search(searched, len(index) // 2)[1]
    expected = [[row for row in line if not rows[row]][:4] for line in everything.tolist()]
    assert left[found.numpy()].tolist() == expected
    assert all(row % 2 == 0 for line in expected for row in line)
    torch.testing.assert_close(similarities, (searched[:, None] * clean.gallery.vectors[found]).sum(-1))
    every = clean.index.search(searched[:1], len(left))[1][0]
    assert sorted(every.tolist()) == list(range(len(left)))
    with pytest.raises(ConfigError, match="choose 1 to"):
        clean.index.search(searched, len(left) + 1)


def test_vectors_of_a_large_gallery_are_not_copied(leaky, monkeypatch):
    model, features, places = leaky
    few = Gallery(model.gallery.lat_lon, model.gallery.vectors.half().float())
    stored = model.gallery.vectors.half()
    large = replace(model, gallery=Gallery(model.gallery.lat_lon, stored))
    leaks = find_leaks(large, features, places, nearness=Nearness(cosine=0.99, km=0.01))
    assert leaks.rows.sum() == 3
    clean, copied = without(large, leaks), without(replace(model, gallery=few), leaks)
    assert not isinstance(clean.gallery.vectors, torch.Tensor)
    assert len(clean.gallery) == len(clean.gallery.vectors) == len(few) - 3
    found, expected = (one.query_of_features(features).neighbours for one in (clean, copied))
    assert torch.equal(found.rows, expected.rows)
    torch.testing.assert_close(found.vectors["location"], expected.vectors["location"])
    for one, other in zip(*(list(baselines(each).values()) for each in (clean, copied)), strict=True):
        torch.testing.assert_close(one(features), other(features))
    # As a cell model too, a gallery is asked for rows and nothing else.
    scheme, given = TokenScheme((0, 2)), (clean.gallery.lat_lon, clean.gallery.vectors)
    query = clean.query_of_features(features)
    said = [
        model.next_log_probs(model.begin(query))
        for model in (
            GalleryCellModel(scheme, *given),
            GalleryCellModel(scheme, given[0], copied.gallery.vectors),
        )
    ]
    torch.testing.assert_close(*said)


def test_a_report_gives_both_figures(leaky):
    model, features, places = leaky
    settings = Settings(audit=Nearness(cosine=0.999, km=0.01))
    report = judge_features(model, features, places, pictures="twins", settings=settings)
    audit = report.audit
    assert audit.gallery == len(model.gallery)
    assert "flat classifier" not in audit.summaries
    plain, clean = report.summaries["1-NN"], audit.summaries["1-NN"]
    assert plain.within[25].value >= 3 / 12
    assert clean.within[25].value < plain.within[25].value
    assert audit.differences["1-NN"].within[25].value == clean.within[25].value - plain.within[25].value
    console = Console(width=100, record=True, file=io.StringIO())
    console.print(report.table())
    lines = console.export_text().split("With gallery rows that leak")[1].splitlines()
    rows = [row for row in map(str.split, lines) if row and row[0] in ("1-NN", "without", "difference")][:3]
    assert [row[0] for row in rows] == ["1-NN", "without", "difference"]
    shown = [float(row[2].rstrip("*")) for row in rows]
    assert shown[0] == pytest.approx(100 * plain.within[25].value, abs=0.05)
    assert shown[1] == pytest.approx(100 * clean.within[25].value, abs=0.05)
