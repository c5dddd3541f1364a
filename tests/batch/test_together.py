"""Pictures of a batch that are answered in the light of each other."""

import json
from dataclasses import replace
from datetime import timedelta

import pytest
from PIL import Image

from graticule.batch import run
from graticule.batch.run import run_batch
from graticule.batch.together import Together, duration, in_time_order
from graticule.errors import ConfigError, InputError


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("10min", 600), ("2h", 7200), ("-1h30min", -5400), ("90 s", 90), ("1.5d", 129600), ("0s", 0)],
)
def test_times_as_people_write_them(text, seconds):
    assert duration(text).total_seconds() == seconds


@pytest.mark.parametrize("text", ["", "10", "h", "2 hours", "1:30", "--2h", "nan"])
def test_times_that_nobody_understands(text):
    with pytest.raises(InputError, match="no length of time"):
        duration(text)


@pytest.mark.parametrize("text", ["40000d", "9" * 400 + "h"])
def test_times_that_nobody_lives_to_see(text):
    with pytest.raises(InputError, match="too long"):
        duration(text)


@pytest.fixture
def photo(tmp_path):
    """Writes a picture with a time, and maybe with its clock's offset."""

    def write(name, time=None, offset=None):
        exif = Image.Exif()
        if time:
            exif[0x8769] = {0x9003: time} | ({0x9011: offset} if offset else {})
        Image.new("RGB", (8, 8)).save(tmp_path / name, exif=exif)
        return tmp_path / name

    return write


def test_pictures_are_put_in_the_order_of_time(photo):
    later = photo("a.jpg", "2020:05:01 12:30:00", "+02:00")
    unknown = photo("b.jpg")
    sooner = photo("c.jpg", "2020:05:01 12:00:00", "+02:00")
    paths, seconds = in_time_order([later, unknown, sooner], zone_needed=True)
    assert paths == [sooner, later, unknown]
    assert seconds == [1588327200.0, 1588329000.0, None]
    assert in_time_order([sooner], clock_offset=timedelta(hours=3))[1] == [1588327200.0 - 3600]


def test_a_clock_that_was_never_set_spoils_no_batch(photo):
    first = photo("a.jpg", "0001:01:01 00:00:00", "+14:00")
    second = photo("b.jpg", "2020:05:01 12:30:00", "+14:00")
    assert in_time_order([second, first])[0] == [first, second]
    assert in_time_order([second, first], clock_offset=timedelta(hours=2))[0] == [first, second]


def test_a_track_wants_to_know_the_zone(photo):
    path = photo("a.jpg", "2020:05:01 12:30:00")
    assert in_time_order([path])[1] == in_time_order([path], clock_offset=timedelta(), zone_needed=True)[1]
    with pytest.raises(InputError, match=r"a\.jpg: does not say its time zone"):
        in_time_order([path], zone_needed=True)


def test_groups_end_where_outings_end():
    seconds = [0.0, 1.0, 100.0, 200.0, 201.0, 202.0, 203.0, 204.0, None, None]
    together = Together(seconds, together_s=10)
    assert list(together.borders(3)) == [3, 8, 10]
    assert list(together.borders(1)) == [2, 3, 8, 9, 10]
    assert list(Together([], 10).borders(3)) == []


def test_a_batch_is_fused_by_whole_outings_and_goes_on_the_same(batch_of, tmp_path, monkeypatch):
    monkeypatch.setattr(run, "GROUP", 3)
    fused = []
    monkeypatch.setattr(
        Together, "fused", lambda self, results, start: fused.append((start, len(results))) or list(results)
    )
    batch = replace(batch_of(8), together=Together([0.0, 1.0, 100.0, 200.0, 201.0, 202.0, 203.0, None], 10.0))
    run_batch(batch, tmp_path / "whole.jsonl", "jsonl")
    assert fused == [(0, 3), (3, 4), (7, 1)]
    batch.locator.stops_at = 6
    with pytest.raises(KeyboardInterrupt):
        run_batch(batch, tmp_path / "out.jsonl", "jsonl")
    batch.locator.stops_at = None
    batch.locator.asked.clear()
    with pytest.raises(ConfigError, match="fused with what was refused"):
        run_batch(batch, tmp_path / "out.jsonl", "jsonl", retry_refused=True)
    run_batch(batch, tmp_path / "out.jsonl", "jsonl")
    assert batch.locator.asked == [3, 4, 5, 6, 7]
    assert (tmp_path / "out.jsonl").read_bytes() == (tmp_path / "whole.jsonl").read_bytes()


def test_what_is_fused_says_so_and_is_as_sure_as_was_asked(views_folder, tmp_path):
    """The whole road with the shipped model."""
    from graticule.batch.pictures import listed
    from graticule.locator import Geolocator

    pictures = sorted(views_folder.glob("*.png"))[:3]
    together = Together([0.0, 60.0, 1e6], 600.0, min_confidence=0.9, confidence_km=1.0)
    run_batch(
        run.Batch(Geolocator.load("orbit"), listed(pictures), together=together),
        tmp_path / "out.jsonl",
        "jsonl",
    )
    first, second, alone = map(json.loads, (tmp_path / "out.jsonl").read_text().splitlines())
    assert first["fused"] == second["fused"] == {"with": 1, "track": False}
    assert first["not_sure"]["asked"] == 0.9
    assert "fused" not in alone
    assert "not_sure" in alone
