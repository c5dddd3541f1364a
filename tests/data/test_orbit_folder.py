"""Any mosaic becomes a folder of pictures with their truth."""

import numpy as np
import pytest
from PIL import Image

from graticule.data.orbit import folder as module
from graticule.data.orbit.folder import render_folder
from graticule.data.orbit.mosaic import Mosaic
from graticule.data.orbit.views import Views
from graticule.data.truth import read_truth
from graticule.errors import PictureError


@pytest.fixture(scope="module")
def other_mosaic(tmp_path_factory):
    path = tmp_path_factory.mktemp("other") / "other.jpg"
    Image.new("RGB", (64, 32), (90, 120, 60)).save(path)
    return path


def pictures(folder):
    return [np.asarray(Image.open(path)) for path in sorted(folder.glob("*.png"))]


def test_pictures_and_truth(mosaic_file, mosaic, tmp_path):
    told = []
    render_folder(
        mosaic_file, tmp_path / "out", views=5, seed=3, size=16, progress=lambda *now: told.append(now)
    )
    truths = read_truth(tmp_path / "out" / "truth.csv")
    pixels, pose = Views(mosaic, "test", seed=3, size=16).batch(np.arange(5))
    np.testing.assert_allclose([truth.latitude for truth in truths], pose.lat, atol=1e-6)
    np.testing.assert_allclose([truth.longitude for truth in truths], pose.lon, atol=1e-6)
    for truth, expected in zip(truths, pixels, strict=True):
        picture = Image.open(truth.path)
        assert (picture.mode, picture.size, picture.format) == ("RGB", (16, 16), "PNG")
        np.testing.assert_array_equal(np.asarray(picture), expected.permute(1, 2, 0))
    assert told == [(5, 5)]


def test_the_same_seed_looks_at_the_same_places_of_every_mosaic(mosaic_file, other_mosaic, tmp_path):
    for name, mosaic, seed in (("a", mosaic_file, 1), ("b", other_mosaic, 1), ("c", mosaic_file, 2)):
        render_folder(mosaic, tmp_path / name, views=3, seed=seed, size=16)
    truth = {name: (tmp_path / name / "truth.csv").read_bytes() for name in "abc"}
    assert truth["a"] == truth["b"]
    assert truth["a"] != truth["c"]
    assert not np.array_equal(pictures(tmp_path / "a")[0], pictures(tmp_path / "b")[0])


def test_batches_do_not_show(mosaic_file, tmp_path, monkeypatch):
    render_folder(mosaic_file, tmp_path / "one", views=5, size=16)
    monkeypatch.setattr(module, "_BATCH_PIXELS", 2 * 16 * 16)
    told = []
    render_folder(mosaic_file, tmp_path / "many", views=5, size=16, progress=lambda *now: told.append(now))
    assert told == [(2, 5), (4, 5), (5, 5)]
    assert (tmp_path / "one" / "truth.csv").read_bytes() == (tmp_path / "many" / "truth.csv").read_bytes()
    for one, many in zip(pictures(tmp_path / "one"), pictures(tmp_path / "many"), strict=True):
        assert np.abs(one.astype(int) - many).max() <= 1


def test_plain_pictures_have_one_colour_where_the_mosaic_has(other_mosaic, tmp_path):
    render_folder(other_mosaic, tmp_path / "plain", views=3, size=16, plain=True)
    render_folder(other_mosaic, tmp_path / "varied", views=3, size=16)
    assert all(picture.std(axis=(0, 1)).max() == 0 for picture in pictures(tmp_path / "plain"))
    assert all(picture.std(axis=(0, 1)).max() > 0 for picture in pictures(tmp_path / "varied"))


def test_a_batch_holds_a_picture_however_large(mosaic_file, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_BATCH_PIXELS", 100)
    told = []
    render_folder(mosaic_file, tmp_path, views=2, size=16, progress=lambda *now: told.append(now))
    assert told == [(1, 2), (2, 2)]


def test_nothing_of_an_earlier_rendering_stays(mosaic_file, tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    render_folder(mosaic_file, tmp_path, views=4, seed=1, size=16)
    render_folder(mosaic_file, tmp_path, views=2, seed=2, size=16)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "notes.txt", "truth.csv", "view-000000.png", "view-000001.png"
    ]  # fmt: skip
    assert len(read_truth(tmp_path / "truth.csv")) == 2


def test_the_mosaic_is_as_fine_as_the_pictures(mosaic_file, tmp_path, monkeypatch):
    widths = []
    opened = Mosaic.open(mosaic_file)
    monkeypatch.setattr(Mosaic, "open", lambda path, working_width: widths.append(working_width) or opened)
    for size in (16, 64, 96, 256):
        render_folder(mosaic_file, tmp_path / str(size), views=1, size=size)
    assert widths == [1350, 5400, 8100, 21600]


def test_nothing_is_written_of_what_is_no_mosaic(tmp_path):
    (tmp_path / "world.png").write_text("no")
    with pytest.raises(PictureError, match=r"world\.png"):
        render_folder(tmp_path / "world.png", tmp_path / "out", views=3)
    assert not (tmp_path / "out").exists()


def test_an_interrupted_rendering_has_no_truth(mosaic_file, tmp_path):
    render_folder(mosaic_file, tmp_path, views=3, size=16)

    def interrupt(done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        render_folder(mosaic_file, tmp_path, views=2, size=16, progress=interrupt)
    assert not (tmp_path / "truth.csv").exists()
    assert len(pictures(tmp_path)) == 2
