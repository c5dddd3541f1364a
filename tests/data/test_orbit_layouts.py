"""Views laid out as data sets are published; what the sources read of them is in tests/contract/test_sources.py."""

import csv
import tarfile
import zipfile
from collections import Counter

import pytest
from PIL import Image

from graticule.data.orbit.folder import render_folder
from graticule.data.orbit.layouts import LAYOUTS
from graticule.errors import ConfigError, InputError


def files(root):
    return sorted(path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file())


def rows(path):
    with path.open(newline="") as stream:
        return list(csv.DictReader(stream))


@pytest.fixture
def rendered(mosaic_file, tmp_path):
    def render(layout, views=10, name="set"):
        render_folder(mosaic_file, tmp_path / name, views=views, seed=2, size=16, layout=layout)
        return tmp_path / name

    return render


def test_im2gps3k_and_yfcc4k_are_jpegs_and_a_table(rendered):
    for layout, table in (("im2gps", "im2gps3k_places365.csv"), ("yfcc4k", "yfcc4k_places365.csv")):
        root = rendered(layout, name=layout)
        ids = [row["IMG_ID"] for row in rows(root / table)]
        assert files(root) == sorted([table, *(f"images/{id}" for id in ids)])
        assert len(set(ids)) == 10
        with Image.open(root / "images" / ids[0]) as picture:
            assert (picture.format, picture.size) == ("JPEG", (16, 16))
    authors = Counter(
        row["AUTHOR"] for row in rows(rendered("im2gps", name="again") / "im2gps3k_places365.csv")
    )
    assert sorted(authors.values()) == [2, 4, 4]


def test_mp16_is_one_tar_whose_names_have_no_folders(rendered):
    root = rendered("mp16")
    assert files(root) == ["MP16_Pro_places365.csv", "mp-16-images.tar"]
    table = rows(root / "MP16_Pro_places365.csv")
    with tarfile.open(root / "mp-16-images.tar") as file:
        assert file.getnames() == ["mp-16-images/" + row["IMG_ID"].replace("/", "_") for row in table]
    assert all(row["IMG_ID"].count("/") == 2 for row in table)
    assert any(row["country"] for row in table)
    assert {len(row["country_code"]) for row in table} <= {0, 2}


def test_osv5m_has_two_splits_in_several_zips(rendered):
    root = rendered("osv5m")
    assert files(root) == [
        *(f"images/test/0{n}.zip" for n in range(2)),
        *(f"images/train/0{n}.zip" for n in range(3)),
        "test.csv",
        "train.csv",
    ]
    ids = {}
    for split, count in (("train", 8), ("test", 2)):
        ids[split] = {row["id"] for row in rows(root / f"{split}.csv")}
        stored = [
            name
            for path in sorted((root / "images" / split).iterdir())
            for name in zipfile.ZipFile(path).namelist()
        ]
        assert len(ids[split]) == len(stored) == count
        assert {name.rpartition("/")[2] for name in stored} == {f"{id}.jpg" for id in ids[split]}
    assert not ids["train"] & ids["test"]
    sequences = Counter(row["sequence"] for row in rows(root / "train.csv"))
    assert sorted(sequences.values()) == [4, 4]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_same_views_are_the_same_bytes(rendered, layout):
    one, other = rendered(layout, views=4, name="one"), rendered(layout, views=4, name="other")
    assert files(one) == files(other)
    assert all((one / name).read_bytes() == (other / name).read_bytes() for name in files(one))


@pytest.mark.parametrize("layout", LAYOUTS)
def test_progress_comes_to_its_end(mosaic_file, tmp_path, layout):
    told = []
    render_folder(
        mosaic_file, tmp_path, views=7, size=16, layout=layout, progress=lambda *now: told.append(now)
    )
    assert told[-1] == (7, 7)
    assert told == sorted(told)


@pytest.mark.parametrize("layout", set(LAYOUTS) - {"folder"})
def test_a_folder_that_holds_something_is_left_alone(mosaic_file, tmp_path, layout):
    (tmp_path / "train.csv").write_text("mine")
    with pytest.raises(InputError, match="is not empty; name a new folder"):
        render_folder(mosaic_file, tmp_path, views=2, layout=layout)
    assert files(tmp_path) == ["train.csv"]


@pytest.mark.parametrize("layout", ["mp16", "osv5m"])
def test_an_interrupted_rendering_leaves_no_container_and_no_table(mosaic_file, tmp_path, layout):
    def interrupt(done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        render_folder(mosaic_file, tmp_path, views=5, size=16, layout=layout, progress=interrupt)
    assert files(tmp_path) == []


def test_a_layout_that_is_not_known_is_refused(mosaic_file, tmp_path):
    with pytest.raises(ConfigError, match="layout: there is none called 'coco'; choose folder or im2gps"):
        render_folder(mosaic_file, tmp_path / "out", views=2, layout="coco")
    assert not (tmp_path / "out").exists()
