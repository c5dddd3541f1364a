"""Finding and decoding many pictures: order is kept, and a bad one never loses the rest."""

import os

import numpy as np
import pytest
from PIL import Image

from graticule.errors import PictureError
from graticule.images.batches import decode_batches, read_batches, walk
from graticule.images.open import open_picture


@pytest.fixture
def folder(tmp_path):
    for number in range(20):
        Image.new("RGB", (8, 8), (number, 0, 0)).save(tmp_path / f"{number:02d}.png")
    return tmp_path


def test_folders_are_walked_sorted_by_natural_suffixes(tmp_path):
    for name in ("b.JPG", "a.png", "deep/er/c.tiff", "notes.txt", ".hidden.png", ".git/d.png", "deep/a.webp"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    found = [path.relative_to(tmp_path).as_posix() for path in walk([tmp_path])]
    assert found == ["a.png", "b.JPG", "deep/a.webp", "deep/er/c.tiff"]
    assert walk([tmp_path / "notes.txt"]) == [tmp_path / "notes.txt"], "a file named outright is taken"


def test_one_path_is_enough(folder):
    assert walk(folder) == walk(str(folder)) == walk([folder])
    assert walk(str(folder / "03.png")) == [folder / "03.png"]


def test_a_folder_that_cannot_be_read_stays_to_be_refused(folder, monkeypatch):
    locked = folder / "locked"
    locked.mkdir()
    look = os.scandir

    def scandir(path):  # root may read everywhere
        if os.fspath(path) == str(locked):
            raise PermissionError(13, "Permission denied", str(locked))
        return look(path)

    monkeypatch.setattr(os, "scandir", scandir)
    assert [path.name for path in walk(folder)] == [*(f"{n:02d}.png" for n in range(20)), "locked"]
    assert walk([locked]) == [locked]
    [[(path, outcome)]] = read_batches([locked], 8)
    assert path == locked
    assert isinstance(outcome, PictureError)


def test_what_leads_nowhere_stays_to_be_refused(tmp_path):
    missing = [tmp_path / "gone.jpg", tmp_path, tmp_path / ("x" * 400)]
    assert walk(missing) == missing
    [batch] = read_batches(walk(missing), 8)
    assert [path for path, _ in batch] == missing
    assert all(isinstance(outcome, PictureError) for _, outcome in batch)


def test_order_is_kept_and_bad_ones_are_refused(folder):
    (folder / "07.png").write_bytes(b"no picture")
    (folder / "13.png").write_bytes((folder / "13.png").read_bytes()[:40])
    batches = list(read_batches(walk([folder]), 8, batch_size=6, workers=3))
    assert [len(batch) for batch in batches] == [6, 6, 6, 2]
    for number, (path, outcome) in enumerate(item for batch in batches for item in batch):
        assert path.name == f"{number:02d}.png"
        if number in (7, 13):
            assert isinstance(outcome, PictureError)
            assert path.name in str(outcome)
        else:
            assert outcome.shape == (3, 8, 8)
            assert outcome.dtype == np.uint8
            assert (outcome[0] == number).all()


def test_batch_size_and_workers_change_nothing(folder):
    paths = walk([folder])
    plain = [item for batch in read_batches(paths, 4, batch_size=1, workers=1) for item in batch]
    other = [item for batch in read_batches(paths, 4, batch_size=7, workers=5) for item in batch]
    assert [path for path, _ in plain] == [path for path, _ in other]
    assert all(np.array_equal(one, two) for (_, one), (_, two) in zip(plain, other, strict=True))


def test_stopping_early_is_allowed(folder):
    reading = read_batches(walk([folder]), 4, batch_size=2)
    assert len(next(reading)) == 2
    reading.close()


def test_nothing_to_read():
    assert list(read_batches([], 8)) == []


def test_an_encoder_may_prepare_pictures_itself(tmp_path):
    Image.new("RGB", (900, 600)).save(tmp_path / "a.jpg")
    (tmp_path / "b.jpg").write_bytes(b"no picture")
    seen = []

    def prepare(image):
        seen.append(image.size)
        return np.full((3, 8, 8), 7, dtype=np.uint8)

    [[(_, pixels), (_, refused)]] = read_batches(walk([tmp_path]), 8, prepare=prepare)
    assert seen == [(900, 600)], "at full size, not as small as the JPEG decoder can make it"
    assert (pixels == 7).all()
    assert isinstance(refused, PictureError)


def test_pictures_need_not_be_files(folder):
    """Whatever opens to a picture is decoded, in order, and no more of it at once than was asked for."""
    data = [path.read_bytes() for path in walk(folder)]
    data[4] = b"no picture"
    opened = []

    def open_item(number, shortest):
        opened.append(number)
        assert shortest == 16
        return open_picture(data[number], name=f"number {number}", shortest=shortest)

    batches = decode_batches(range(20), open_item, 8, batch_size=6, ahead=9, workers=2)
    first = next(batches)
    assert sorted(opened) == list(range(len(opened)))
    assert len(opened) <= 9
    rest = [item for batch in batches for item in batch]
    for number, (item, outcome) in enumerate(first + rest):
        assert item == number
        if number == 4:
            assert str(outcome).startswith("number 4:")
        else:
            assert (outcome[0] == number).all()
    assert sorted(opened) == list(range(20))
