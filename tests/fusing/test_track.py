"""Tracks of GPX files."""

import numpy as np
import pytest

from graticule.errors import InputError, TableError
from graticule.fusing.track import Track, read_gpx

GPX = """<?xml version="1.0"?>
<gpx version="1.1" xmlns="http://www.topografix.com/GPX/1/1"><trk><trkseg>
<trkpt lat="46.2" lon="8.0"><ele>1</ele><time>2020-05-01T11:00:00Z</time></trkpt>
<trkpt lat="46.0" lon="8.0"><time>2020-05-01T12:00:00+02:00</time></trkpt>
<trkpt lat="46.1" lon="8.0"><time>2020-05-01T10:30:00</time></trkpt>
<trkpt lat="46.1" lon="8.0"/><trkpt lat="95" lon="8.0"><time>2020-05-01T10:40:00Z</time></trkpt>
<trkpt lat="nan" lon="8.0"><time>2020-05-01T10:45:00Z</time></trkpt>
</trkseg></trk></gpx>"""


def test_points_come_in_the_order_of_time_and_those_without_are_passed_over(tmp_path):
    (tmp_path / "a.gpx").write_text(GPX)
    track = read_gpx(tmp_path / "a.gpx")
    np.testing.assert_array_equal(np.diff(track.seconds), [1800, 1800])
    np.testing.assert_array_equal(track.lat_lon, [[46.0, 8.0], [46.1, 8.0], [46.2, 8.0]])
    (tmp_path / "old.gpx").write_text(GPX.replace("GPX/1/1", "GPX/1/0"))
    assert read_gpx(tmp_path / "old.gpx").digest == track.digest


def test_between_points_it_is_on_the_way_and_beyond_the_ends_it_is_there():
    track = Track(np.array([0.0, 3600.0]), np.array([[10.0, 179.5], [10.0, -179.5]]))
    lat, lon, hours = track.at(1800)
    assert (round(lat, 2), abs(round(lon, 6))) == (10.0, 180.0)
    assert hours == 0.5
    assert track.at(7200)[2] == 1.0
    np.testing.assert_allclose(track.at(7200)[:2], (10.0, -179.5))


BOMB = '<!DOCTYPE gpx [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]><gpx>&b;</gpx>'


@pytest.mark.parametrize("content", ["", "<html>", "<gpx/>", BOMB, "{}"])
def test_what_is_no_track_is_refused_by_name(tmp_path, content):
    (tmp_path / "a.gpx").write_text(content)
    with pytest.raises(TableError, match=r"a\.gpx: .* Export the track"):
        read_gpx(tmp_path / "a.gpx")


def test_where_there_is_none(tmp_path):
    with pytest.raises(InputError, match="can't be read"):
        read_gpx(tmp_path / "a.gpx")
