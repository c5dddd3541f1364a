"""`graticule data check` says what there is and what is wrong; its exit status says if anything is usable."""

import json

import pytest

from graticule.data.orbit.folder import render_folder


@pytest.fixture
def osv5m(mosaic_file, tmp_path):
    render_folder(mosaic_file, tmp_path / "osv5m", views=60, seed=1, size=8, layout="osv5m")
    return tmp_path / "osv5m"


def spoil(root, rows):
    with (root / "train.csv").open("a") as stream:
        stream.writelines(f"x{n},95,1{',' * 29}\n" for n in range(rows))
    (root / "images" / "train" / "01.zip").write_bytes(b"no zip")


def test_a_sound_set(run, osv5m):
    status, out, err = run("data", "check", "osv5m", osv5m)
    assert (status, err) == (0, "")
    assert f"osv5m, train in {osv5m}\nusable pictures: 48, zips: 3; problems: 0\n" in out
    assert f"osv5m, test in {osv5m}\nusable pictures: 12, zips: 2; problems: 0\n" in out
    assert "Usable pictures by country\n" in out
    assert "missing" not in out
    only = run("data", "check", "osv5m", osv5m, "--split", "test")[1]
    assert only == out[out.index("osv5m, test") :]


def test_what_is_wrong_is_counted_and_the_first_are_listed(run, osv5m):
    spoil(osv5m, rows=30)
    status, out, _ = run("data", "check", "osv5m", osv5m, "--split", "train")
    assert status == 0
    assert "usable pictures: 32, zips: 2; problems: 47\n" in out
    assert "         30  its latitude is missing, or no number from -90 to 90\n" in out
    assert "          1  the zip is damaged or cut short; copy it again from where it came\n" in out
    listed = out[out.index("train.csv, row 3: ") :].splitlines()
    assert len([line for line in listed if line.startswith("train.csv, row ")]) == 20
    assert "and 27 more: --format json or --output has all" in listed


def test_json_and_files_hold_everything(run, osv5m, tmp_path):
    spoil(osv5m, rows=30)
    status, out, _ = run("data", "check", "osv5m", osv5m, "--format", "json")
    assert status == 0
    told = json.loads(out)
    assert told["path"] == str(osv5m)
    train, test = told["parts"]
    assert (train["source"], train["split"], train["records"]) == ("osv5m", "train", 32)
    assert train["stored"] == {"zips": 2}
    assert sum(train["countries"].values()) == 32
    assert len(train["problems"]) == sum(train["problem_kinds"].values()) == 47
    assert train["problems"][-1]["where"].startswith("images/train/01.zip")
    assert test["problems"] == []
    assert run("data", "check", "osv5m", osv5m, "--format", "json", "--output", tmp_path / "a.json")[1] == ""
    assert json.loads((tmp_path / "a.json").read_text()) == told
    run("data", "check", "osv5m", osv5m, "--output", tmp_path / "a.txt")
    lines = (tmp_path / "a.txt").read_text().splitlines()
    assert sum(line.startswith("train.csv, row ") for line in lines) == 46
    assert not any("more: " in line for line in lines)


def test_countries_come_from_labels_or_from_the_outlines(run, mosaic_file, tmp_path):
    counted = []
    for source, layout in (("im2gps3k", "im2gps"), ("osv5m", "osv5m")):
        render_folder(mosaic_file, tmp_path / layout, views=10, seed=1, size=8, layout=layout)
        command = ["data", "check", source, tmp_path / layout, "--format", "json"]
        told = json.loads(run(*command)[1])
        counted.append(told["parts"][-1]["countries"])
    # OSV-5M's two test views are the first two of Im2GPS3k's; the one is labelled with codes, the other not at all.
    assert sum(counted[1].values()) == 2
    assert all(counted[0][country] >= count for country, count in counted[1].items())


def test_a_split_that_is_not_there_does_not_hide_the_other(run, osv5m):
    (osv5m / "test.csv").unlink()
    status, out, _ = run("data", "check", "osv5m", osv5m)
    assert status == 0
    assert "usable pictures: 48" in out
    assert "test.csv: no such file" in out


def test_nothing_usable_is_status_1(run, tmp_path):
    (tmp_path / "a.jpg").write_text("no picture")
    status, out, err = run("data", "check", "folder", tmp_path)
    assert (status, err) == (1, "")
    assert "usable pictures: 0; problems: 1" in out


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("imagenet", "."), "there is none called 'imagenet'; choose im2gps3k or"),
        (("mp16", "nowhere"), "nowhere: no such folder"),
        (("yfcc4k", "."), "yfcc4k needs a CSV file there with columns IMG_ID, LAT, LON"),
        (("osv5m", ".", "--split", "val"), "there is no split 'val'; choose train or test"),
        (("folder", ".", "--split", "val"), "it is one set: leave it out"),
    ],
)
def test_wrong_use_is_status_2(run, tmp_path, monkeypatch, arguments, told):
    monkeypatch.chdir(tmp_path)
    status, out, err = run("data", "check", *arguments)
    assert (status, out) == (2, "")
    assert told in err


def test_names_can_not_move_the_cursor(run, osv5m):
    with (osv5m / "train.csv").open("a") as stream:
        stream.write(f'"\x1b[2J\n[b]x",95,1{"," * 29}\n')
    out = run("data", "check", "osv5m", osv5m, "--split", "train")[1]
    assert "\x1b" not in out
    assert "[2J\N{REPLACEMENT CHARACTER}[b]x, 95, 1: its latitude" in out


def test_orbit_render_writes_what_check_reads(run, mosaic_file, tmp_path):
    given = ["--mosaic", mosaic_file, "--views", 6, "--seed", 1, "--size", 8, "--out", tmp_path / "out"]
    status, out, _ = run("orbit", "render", *given, "--layout", "mp16")
    assert (status, out) == (0, f"6 views and their tables in {tmp_path / 'out'}\n")
    status, out, _ = run("data", "check", "mp16", tmp_path / "out")
    assert status == 0
    assert "usable pictures: 6, tars: 1; problems: 0" in out
    assert run("orbit", "render", *given, "--layout", "coco")[0] == 2
