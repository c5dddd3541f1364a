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
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["good.png", "index.html"]
    assert "1 of 2 pictures answered" in page
    assert "110 km off" in page
    assert "not &lt;b&gt;a picture&lt;/b&gt;" in page
    assert re.findall(r'<img src="([^"]+)" alt="Map for good.png: estimate 10.0° N', page) == ["good.png"]
    assert "prefers-color-scheme: dark" in page
    assert not re.search(r"https?:", page), "the page works offline"
    assert "estimate" in page


def test_paths_may_start_at_the_table(examples, tmp_path):
    (examples / "truth.csv").write_text("path,latitude,longitude\npictures/good.png,10,21\n")
    demo.run(examples, tmp_path / "out")
    assert (tmp_path / "out" / "good.png").exists()
