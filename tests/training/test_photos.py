"""One's own photos, from a folder to features with places and days, and what is left out."""

from datetime import date

import numpy as np
import pytest
import torch
from PIL import Image

from graticule.data.sources.folder import Folder
from graticule.extract.encoder import find_encoder
from graticule.extract.run import extract_scan
from graticule.training.photos import day_of, read_photos


def write_photo(path, latitude, longitude, *, colour=0, taken=None):
    """A small photo with GPS and time in its EXIF."""
    exif = Image.Exif()
    exif[0x010F] = "Maker"
    exif.get_ifd(0x8825).update({1: "N", 2: (latitude, 0.0, 0.0), 3: "E", 4: (longitude, 0.0, 0.0)})
    if taken is not None:
        exif.get_ifd(0x8769)[0x9003] = taken
    Image.new("RGB", (8, 8), (colour,) * 3).save(path, exif=exif)


@pytest.fixture
def photos(tmp_path, tiny_model_folder):
    """Photos a, b, d; c is cut short, and e has no place."""
    folder = tmp_path / "photos"
    folder.mkdir()
    write_photo(folder / "a.png", 48.0, 2.0, taken="2021:07:14 12:00:00")
    write_photo(folder / "b.png", 33.0, 151.0, colour=90)
    write_photo(folder / "c.png", 1.0, 2.0, colour=120)
    write_photo(folder / "d.png", 3.0, 4.0, colour=200, taken="2021:07:15 12:00:00")
    data = (folder / "c.png").read_bytes()
    (folder / "c.png").write_bytes(data[: data.index(b"IDAT") + 8])
    Image.new("RGB", (8, 8)).save(folder / "e.png")
    scan = Folder().scan(folder)
    encoder = find_encoder(str(tiny_model_folder))
    extract_scan(scan, folder, encoder=encoder, out=tmp_path / "features", shard_rows=2)
    return read_photos(scan, tmp_path / "features")


def test_features_places_and_days_belong_together(photos, tmp_path, tiny_model_folder):
    assert len(photos) == 3
    assert np.allclose(photos.lat_lon, [(48, 2), (33, 151), (3, 4)])
    assert photos.days == (date(2021, 7, 14), None, date(2021, 7, 15))
    scan = Folder().scan(tmp_path / "photos")
    alone = scan.records.slice(3, 1)
    assert alone["id"].to_pylist() == ["d.png"]
    extract_scan(
        type(scan)(scan.name, alone, scan.problems),
        tmp_path / "photos",
        encoder=find_encoder(str(tiny_model_folder)),
        out=tmp_path / "alone",
    )
    [features] = read_photos(type(scan)(scan.name, alone, scan.problems), tmp_path / "alone").features
    torch.testing.assert_close(photos.features[2], features, atol=2e-3, rtol=2e-3)
    assert not torch.allclose(photos.features[0], features, atol=2e-3, rtol=2e-3)


def test_what_is_left_out_is_named_and_faults_of_one_kind_are_counted_together(photos):
    said = {problem.where: problem.what for problem in photos.left_out}
    assert set(said) == {"c.png", "e.png"}
    assert "damaged" in said["c.png"]
    assert "c.png" not in said["c.png"]
    assert said["e.png"] == "no EXIF in the picture"


@pytest.mark.parametrize(
    ("captured_at", "day"),
    [
        ("2021-07-14T23:59:59", date(2021, 7, 14)),
        ("2021-07-14 10:00", date(2021, 7, 14)),
        ("2021-07-14", date(2021, 7, 14)),
        ("1500000000000", None),
        ("yesterday", None),
        ("", None),
        (None, None),
    ],
)
def test_days_are_read_where_they_are_written_in_iso_8601(captured_at, day):
    assert day_of(captured_at) == day
