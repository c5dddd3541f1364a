"""The demonstration page: a map each, refusals named, nothing from outside."""

import re

import pytest
from PIL import Image

from graticule import demo
from graticule.errors import PictureError
from graticule.prediction import Candidate, Prediction, Refusal


class FakeGeolocator:
    name = "orbit"
    purpose = "views of the Earth from above"

    @classmethod
    def load(cls, name):
        return cls()

    def locate(self, paths, *, top_k):
        for path in paths:
            if path.name == "bad.png":
                yield Refusal(str(path), PictureError(f"{path}: a web page, not <b>a picture</b>."))
            else:
                yield Prediction(str(path), 10.0, 20.0, 300.0, (Candidate(10.0, 20.0, 0.9, "1014"),), "orbit")


@pytest.fixture
def examples(tmp_path, monkeypatch):
    monkeypatch.setattr(demo, "Geolocator", FakeGeolocator)
    (tmp_path / "pictures").mkdir()
    Image.new("RGB", (64, 64), "green").save(tmp_path / "pictures" / "good.png")
    (tmp_path / "pictures" / "bad.png").write_text("<html>")
    (tmp_path / "truth.csv").write_text("path,latitude,longitude\ngood.png,10,21\nbad.png,0,0\n")
    return tmp_path


def test_the_page_shows_every_picture(examples, tmp_path):
    done = []
    shown = demo.run(examples, tmp_path / "out", progress=lambda *counts: done.append(counts))
    page = shown.page.read_text()
    assert done == [(1, 2), (2, 2)]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["index.html", "map-000.png"]
    assert "1 of 2 pictures answered" in page
    assert "110 km off" in page
    assert "not &lt;b&gt;a picture&lt;/b&gt;" in page
    assert re.findall(r'<img src="([^"]+)" alt="Map for good.png: estimate 10.0° N', page) == ["map-000.png"]
    assert "prefers-color-scheme: dark" in page
    assert not re.search(r"https?:", page), "the page works offline"
    assert "estimate" in page


def test_paths_may_start_at_the_table(examples, tmp_path):
    (examples / "truth.csv").write_text("path,latitude,longitude\npictures/good.png,10,21\n")
    demo.run(examples, tmp_path / "out")
    assert (tmp_path / "out" / "map-000.png").exists()


def test_pictures_of_one_name_get_a_map_each(examples, tmp_path):
    (examples / "pictures" / "deep").mkdir()
    for name in ("good.jpg", "deep/good.png"):
        Image.new("RGB", (64, 64), "red").save(examples / "pictures" / name)
    rows = "good.png,10,21\nbad.png,0,0\ngood.jpg,10,22\ndeep/good.png,10,23\n"
    (examples / "truth.csv").write_text("path,latitude,longitude\n" + rows)
    page = demo.run(examples, tmp_path / "out").page.read_text()
    maps = ["map-000.png", "map-002.png", "map-003.png"]  # the number is the row's, and one was refused
    assert sorted(path.name for path in (tmp_path / "out").glob("*.png")) == maps
    assert re.findall(r'<img src="([^"]+)"', page) == maps
