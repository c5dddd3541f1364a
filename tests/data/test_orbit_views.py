"""View i of split s is the same for ever: in any batch, any order, any version."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from graticule.data.orbit import camera
from graticule.data.orbit.mosaic import land_mask
from graticule.data.orbit.views import SPLITS, Views, poses, uniforms
from graticule.errors import ConfigError

# Latitude, longitude, heading and width. If these move, every model, table and example made before is void.
GOLDEN = {
    ("train", 0): (56.301368, -159.083309, 244.964339, 603.993178),
    ("train", 1): (-26.712653, 114.916045, 186.127221, 702.356417),
    ("train", 10_000_000): (15.453399, -86.488202, 355.276318, 772.555673),
    ("validation", 0): (25.846264, 41.93855, 262.029157, 428.139102),
    ("validation", 123_456): (5.243536, 116.378794, 283.095074, 572.850306),
    ("test", 0): (20.422897, -8.930683, 334.133333, 523.08952),
    ("test", 123_456): (-5.815534, 144.08119, 93.730872, 399.567135),
}

indices = st.lists(st.integers(0, 2**40), min_size=1, max_size=50)


def rows(pose):
    return torch.stack([pose.lat, pose.lon, pose.heading_deg, pose.width_km], dim=1).numpy()


@pytest.mark.parametrize(("split", "index"), GOLDEN)
def test_views_look_where_they_always_did(split, index):
    np.testing.assert_allclose(rows(poses(split, np.array([index])))[0], GOLDEN[split, index], atol=1e-6)


@settings(deadline=None, max_examples=25)
@given(indices, st.sampled_from(SPLITS), st.integers(0, 2**60))
def test_a_pose_depends_on_its_own_index_alone(numbers, split, seed):
    together = rows(poses(split, np.array(numbers), seed=seed))
    for index, row in zip(numbers[:5], together, strict=False):
        np.testing.assert_array_equal(rows(poses(split, np.array([index]), seed=seed))[0], row)
    np.testing.assert_array_equal(rows(poses(split, np.array(numbers[::-1]), seed=seed)), together[::-1])


@settings(deadline=None, max_examples=25)
@given(indices, st.sampled_from(SPLITS))
def test_poses_lie_in_range(numbers, split):
    pose = poses(split, np.array(numbers))
    lat, lon = pose.lat.numpy(), pose.lon.numpy()
    assert ((lat >= -60) & (lat <= 75)).all()
    assert ((lon >= -180) & (lon < 180)).all()
    assert ((pose.heading_deg >= 0) & (pose.heading_deg < 360)).all()
    assert ((pose.width_km >= 300) & (pose.width_km <= 1200)).all()


def test_poses_lie_on_land():
    mask = land_mask()
    for split, at_sea in (("train", [298]), ("validation", []), ("test", [267])):
        pose = poses(split, np.arange(20_000))
        row = ((90 - pose.lat.numpy()) / 180 * len(mask)).astype(int)
        column = ((pose.lon.numpy() + 180) / 360 * mask.shape[1]).astype(int)
        # 25 views in a million find no land in all their tries.
        assert np.flatnonzero(~mask[row, column]).tolist() == at_sea


def test_places_are_uniform_over_land_and_widths_log_uniform():
    pose = poses("train", np.arange(20_000))
    # Archimedes: on a sphere, equal bands of sin(latitude) are equal in area.
    mask = land_mask()
    edges = np.sin(np.deg2rad([-60, -20, 0, 20, 40, 55, 75]))
    latitudes = 90 - (np.arange(len(mask)) + 0.5) * 180 / len(mask)
    land = np.histogram(
        np.sin(np.deg2rad(latitudes)), edges, weights=mask.mean(1) * np.cos(np.deg2rad(latitudes))
    )[0]
    seen = np.histogram(np.sin(np.deg2rad(pose.lat.numpy())), edges)[0]
    np.testing.assert_allclose(seen / seen.sum(), land / land.sum(), atol=0.015)
    np.testing.assert_allclose(np.quantile(pose.width_km, [0.25, 0.5, 0.75]), [424, 600, 849], rtol=0.02)
    np.testing.assert_allclose(np.quantile(pose.heading_deg, [0.25, 0.5, 0.75]), [90, 180, 270], atol=4)


def test_splits_and_seeds_share_no_view():
    everything = [rows(poses(split, np.arange(5000), seed=seed)) for split in SPLITS for seed in (0, 1, 2)]
    assert len(np.unique(np.concatenate(everything), axis=0)) == 9 * 5000


def test_streams_and_positions_are_independent():
    draws = [uniforms("train", np.arange(4000), count=4, stream=stream) for stream in (0, 1)]
    together = np.concatenate(draws, axis=1)
    assert ((together >= 0) & (together < 1)).all()
    correlation = np.corrcoef(np.concatenate([together[1:], together[:-1]], axis=1).T)
    assert np.abs(correlation - np.eye(16)).max() < 0.06
    np.testing.assert_allclose(together.mean(0), 0.5, atol=0.02)


def test_there_is_no_other_split():
    with pytest.raises(ConfigError, match="'holdout'; the splits are train, validation, test"):
        poses("holdout", np.arange(3))


def test_pixels_do_not_depend_on_the_batch(mosaic):
    views = Views(mosaic, "validation", size=32)
    together, _ = views.batch(np.arange(12))
    assert together.shape == (12, 3, 32, 32)
    assert together.dtype == torch.uint8
    for numbers in ([7], [11, 0, 5], range(11, -1, -1)):
        apart, _ = views.batch(np.array(numbers))
        # A rounding may fall the other way where the processor takes numbers by eights.
        assert (apart.int() - together[list(numbers)].int()).abs().max() <= 1


def test_plain_views_are_what_the_camera_sees(mosaic):
    pixels, pose = Views(mosaic, "test", size=16, plain=True).batch(np.arange(5))
    seen = camera.render(mosaic, pose, size=16)[:, :3]
    assert (pixels / 255 - seen).abs().max() <= 0.51 / 255
    varied, same_pose = Views(mosaic, "test", size=16).batch(np.arange(5))
    assert torch.equal(pose.lat, same_pose.lat)
    assert (varied.float() - pixels.float()).abs().mean(dim=(1, 2, 3)).min() > 1
