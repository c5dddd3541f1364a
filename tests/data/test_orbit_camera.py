"""The virtual camera against spherical trigonometry, on a mosaic whose colours say where they are."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from graticule.data.orbit.camera import Pose, render
from graticule.data.orbit.mosaic import Mosaic
from graticule.earth.distance import EARTH_RADIUS_KM, destination, unit_vectors


@pytest.fixture(scope="module")
def globe():
    """720 x 360 pixels; red, green and blue are the x, y and z of the point, from -1..1 to 0..1."""
    lat, lon = 89.75 - np.arange(360) / 2, np.arange(-1, 721) / 2 - 179.75
    points = unit_vectors(*np.meshgrid(lat, lon, indexing="ij"))
    colours = torch.from_numpy((points + 1) / 2).float().permute(2, 0, 1)
    return Mosaic(torch.cat([colours, torch.zeros(1, 360, 722)]).contiguous(), "globe")


def pose(lat=0.0, lon=0.0, heading=0.0, width=600.0):
    return Pose(*(torch.tensor([float(value)], dtype=torch.float64) for value in (lat, lon, heading, width)))


def seen(globe, where, size):
    """Unit vectors (size, size, 3) of what the pixels show."""
    return (render(globe, where, size=size)[0, :3] * 2 - 1).permute(1, 2, 0).numpy()


@settings(deadline=None, max_examples=25)
@given(st.floats(-60, 75), st.floats(-180, 180), st.floats(0, 360), st.floats(300, 1200))
def test_every_pixel_looks_where_geometry_says(globe, lat, lon, heading, width):
    size = 7
    step = (np.arange(size) - 3) / size * width / EARTH_RADIUS_KM
    right, up = np.meshgrid(step, -step)
    expected = destination(
        lat,
        lon,
        bearing_deg=heading + np.degrees(np.arctan2(right, up)),
        distance_km=EARTH_RADIUS_KM * np.arctan(np.hypot(right, up)),
    )
    # 1e-4 of the Earth's radius is 0.6 km; a pixel here is 40 km at least.
    np.testing.assert_allclose(
        seen(globe, pose(lat, lon, heading, width), size), unit_vectors(*expected), atol=1e-4
    )


@pytest.mark.parametrize(("lat", "lon"), [(0, 0), (-59.9, 12), (74.9, -180), (10, 180), (48.9, 2.3)])
def test_the_centre_is_the_place(globe, lat, lon):
    np.testing.assert_allclose(
        seen(globe, pose(lat, lon, 77, 400), 65)[32, 32], unit_vectors(lat, lon), atol=5e-5
    )


def test_up_is_the_heading(globe):
    north = seen(globe, pose(10, 20), 5)
    assert north[0, 2, 2] > north[2, 2, 2] > north[4, 2, 2]
    turned = [render(globe, pose(10, 20, heading), size=16) for heading in (0, 90, 180, 270)]
    for quarter in (1, 2, 3):
        # Facing east the old right edge is on top: the picture has turned to the left.
        torch.testing.assert_close(
            turned[quarter], torch.rot90(turned[0], quarter, dims=(2, 3)), atol=1e-5, rtol=0
        )


def test_there_is_no_seam_at_the_antimeridian(mosaic):
    colours = mosaic.pixels[..., 1:-1]
    rolled = colours.roll(colours.shape[-1] // 2, dims=-1)
    other = Mosaic(torch.cat([rolled[..., -1:], rolled, rolled[..., :1]], dim=-1), "rolled")
    for lat in (-40, 0, 60):
        here = render(mosaic, pose(lat, 180, 30), size=32)
        torch.testing.assert_close(here, render(other, pose(lat, 0, 30), size=32), atol=1e-3, rtol=0)
        torch.testing.assert_close(here, render(mosaic, pose(lat, -180, 30), size=32), atol=1e-3, rtol=0)


def test_water_comes_with_the_colours():
    half_sea = np.zeros((20, 40, 3), dtype=np.uint8)
    half_sea[:, :20] = (10, 30, 90)
    half_sea[:, 20:] = (90, 80, 40)
    world = Mosaic.from_array(half_sea, name="half")
    where = Pose(*(torch.tensor(v, dtype=torch.float64) for v in ([0, 0], [-90, 90], [0, 0], [500, 500])))
    assert len(where) == 2
    views = render(world, where, size=8)
    assert views.shape == (2, 4, 8, 8)
    assert views.dtype == torch.float32
    assert (views[0, 3] > 0.999).all()
    assert (views[1, 3] == 0).all()
