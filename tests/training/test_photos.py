"""Which photos can be used, and why others can't."""

from datetime import date

import numpy as np
import pytest
from PIL import Image

from graticule.errors import InputError, TableError
from graticule.training.photos import read_photos


def write_photo(path, latitude=None, longitude=None, *, taken=None):
    """A small photo with GPS and time in its EXIF, as far as they are given."""
    exif = Image.Exif()
    exif[0x010F] = "Maker"
    if latitude is not None:
        gps = {1: "S" if latitude < 0 else "N", 2: (abs(latitude), 0.0, 0.0)}
        gps |= {3: "W" if longitude < 0 else "E", 4: (abs(longitude), 0.0, 0.0)}
        exif.get_ifd(0x8825).update(gps)
    if taken is not None:
        exif.get_ifd(0x8769)[0x9003] = taken
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (8, 8)).save(path, exif=exif)


@pytest.fixture
def folder(tmp_path):
    write_photo(tmp_path / "a.jpg", 48.5, -2.25, taken="2021:07:14 12:00:00")
    write_photo(tmp_path / "trip/b.jpg", -33.5, 151.0)
    write_photo(tmp_path / "c.jpg", 0.0, 0.0)
    write_photo(tmp_path / "d.jpg", taken="2021:07:15 12:00:00")
    write_photo(tmp_path / "e.jpg", 95.0, 0.0)
    (tmp_path / "f.jpg").write_bytes(b"<html>")
    return tmp_path


def test_photos_say_where_they_were_taken(folder):
    photos = read_photos(folder)
    assert [path.name for path in photos.paths] == ["a.jpg", "b.jpg"]
    assert np.allclose(photos.lat_lon, [(48.5, -2.25), (-33.5, 151.0)])
    assert photos.days == (date(2021, 7, 14), None)
    assert set(photos.unusable) == {folder / name for name in ("c.jpg", "d.jpg", "e.jpg", "f.jpg")}
    assert "no fix" in photos.unusable[folder / "c.jpg"]
    assert sum(photos.reasons().values()) == 4


def test_photos_with_the_same_fault_are_counted_together(tmp_path):
    for number in range(3):
        write_photo(tmp_path / f"{number}.jpg", 95.0 + number, 0.0)
    write_photo(tmp_path / "3.jpg")
    assert sorted(read_photos(tmp_path).reasons().values()) == [1, 3]


def test_a_table_decides_where_and_exif_still_says_when(folder):
    (folder / "truth.csv").write_text(
        "path,latitude,longitude\na.jpg,1,2\nd.jpg,3,4\nc.jpg,0,0\nmissing.jpg,5,6\n"
    )
    photos = read_photos(folder, folder / "truth.csv")
    assert dict(zip([p.name for p in photos.paths], photos.lat_lon.tolist(), strict=True)) == {
        "a.jpg": [1, 2],
        "d.jpg": [3, 4],
    }
    assert photos.days == (date(2021, 7, 14), date(2021, 7, 15))
    assert "not named" in photos.unusable[folder / "trip/b.jpg"]
    assert "no such file" in photos.unusable[folder / "missing.jpg"]
    assert "(0, 0)" in photos.unusable[folder / "c.jpg"]


def test_a_place_not_on_earth_in_a_table_is_refused(folder):
    (folder / "truth.csv").write_text("path,latitude,longitude\na.jpg,95,2\n")
    with pytest.raises(TableError, match=r"row 2, column latitude"):
        read_photos(folder, folder / "truth.csv")


def test_photos_that_turn_out_unreadable_are_left_out(folder):
    photos = read_photos(folder)
    fewer = photos.without({folder / "a.jpg": "cut short"})
    assert [path.name for path in fewer.paths] == ["b.jpg"]
    assert fewer.lat_lon.shape == (1, 2)
    assert fewer.days == (None,)
    assert fewer.unusable[folder / "a.jpg"] == "cut short"


def test_a_folder_without_photos_is_refused(tmp_path):
    with pytest.raises(InputError, match="no pictures"):
        read_photos(tmp_path)
    with pytest.raises(InputError, match="no such folder"):
        read_photos(tmp_path / "missing")
