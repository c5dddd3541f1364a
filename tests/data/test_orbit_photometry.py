"""Light, haze, sensor and seasons: bounded, repeatable, and absent when asked to be."""

import numpy as np
import pytest
import torch

from graticule.data.orbit.photometry import ORDINARY_DRAWS, Seasons, ordinary

NEUTRAL = np.array([0.5, 0.5, 0.5, 0.5, 0.5, 0.0, 0.0, 0.3])


@pytest.fixture(scope="module")
def strong():
    return Seasons(1.0)


@pytest.fixture(scope="module")
def mild():
    return Seasons(0.0)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def views(count=24, size=32, low=0.35, high=0.6, water=0.0):
    """(B, 4, S, S): colours in the middle of the range, where nothing is cut off."""
    colours = low + (high - low) * torch.rand(count, 3, size, size, generator=generator(9))
    return torch.cat([colours, torch.full((count, 1, size, size), water)], dim=1)


def draws(**changed):
    u = np.tile(NEUTRAL, (1, 1))
    for position, value in changed.items():
        u[:, int(position.removeprefix("u"))] = value
    return u


def misfit(before, after):
    """Spread of each view that no gain and offset of its channels explains."""
    x, y = before.flatten(2), after.flatten(2)
    x, y = x - x.mean(-1, keepdim=True), y - y.mean(-1, keepdim=True)
    slope = (x * y).sum(-1, keepdim=True) / (x * x).sum(-1, keepdim=True)
    return (y - slope * x).std(dim=(1, 2))


def test_the_middle_of_every_draw_changes_nothing():
    assert len(NEUTRAL) == ORDINARY_DRAWS
    colours = views(1)[:, :3]
    torch.testing.assert_close(ordinary(colours, draws()), colours)


def test_each_ordinary_draw_does_what_it_says():
    colours = views(1)[:, :3]
    torch.testing.assert_close(ordinary(colours, draws(u0=1)), colours * 2**0.4)
    contrast = ordinary(colours, draws(u1=0))
    torch.testing.assert_close(contrast.std(), colours.std() * 0.8)
    torch.testing.assert_close(contrast.mean(), colours.mean())
    torch.testing.assert_close(ordinary(colours, draws(u3=1))[:, 1], colours[:, 1] * 1.1)
    torch.testing.assert_close(ordinary(colours, draws(u3=1))[:, [0, 2]], colours[:, [0, 2]])
    haze = torch.tensor([0.75, 0.82, 0.92]).view(1, 3, 1, 1)
    torch.testing.assert_close(ordinary(colours, draws(u5=1)), 0.75 * colours + 0.25 * haze)
    noise = ordinary(colours, draws(u6=1)) - colours
    assert noise.std().item() == pytest.approx(0.03, rel=0.05)
    assert not torch.equal(noise, ordinary(colours, draws(u6=1, u7=0.31)) - colours)


def test_ordinary_variation_of_a_view_is_its_own():
    colours, u = views(6)[:, :3], np.random.default_rng(0).random((6, ORDINARY_DRAWS))
    together = ordinary(colours, u)
    assert together.min() >= 0
    assert together.max() <= 1
    for row in range(6):
        torch.testing.assert_close(ordinary(colours[row : row + 1], u[row : row + 1])[0], together[row])


def test_noise_is_long_enough_for_the_largest_pictures():
    for where in (0.0, 1 - 2**-53):
        noise = ordinary(torch.full((1, 3, 600, 600), 0.5), draws(u6=1, u7=where)) - 0.5
        assert noise.std().item() == pytest.approx(0.03, rel=0.01)


def test_seasons_are_a_function_of_the_generator(strong):
    before, lat = views(), torch.linspace(-60, 75, 24).double()
    first = strong(before, lat, generator(3))
    assert torch.equal(first, strong(before, lat, generator(3)))
    assert torch.equal(first, Seasons(1.0)(before, lat, generator(3)))
    assert not torch.equal(first, strong(before, lat, generator(4)))


@pytest.mark.parametrize("size", [20, 32])
@pytest.mark.parametrize("water", [0.0, 0.5, 1.0])
def test_seasons_keep_shape_and_range_and_the_input(strong, size, water):
    before = views(size=size, low=0, high=1, water=water)
    kept = before.clone()
    after = strong(before, torch.full((24,), 70.0), generator())
    assert after.shape == (24, 3, size, size)
    assert after.min() >= 0
    assert after.max() <= 1
    assert torch.equal(before, kept)


def test_seasons_change_more_than_light_and_noise(strong, mild):
    before, lat = views(), torch.full((24,), 50.0)
    # Ordinary light is one gain and offset a channel, and noise of at most 0.03.
    assert misfit(before[:, :3], mild(before, lat, generator())).max() < 0.031
    assert misfit(before[:, :3], strong(before, lat, generator())).quantile(0.75) > 0.04


def test_without_strength_there_is_no_snow_line(strong, mild):
    before = views()
    south, north = torch.full((24,), 5.0), torch.full((24,), 70.0)
    assert torch.equal(mild(before, south, generator()), mild(before, north, generator()))
    whiter = strong(before, north, generator()).mean() - strong(before, south, generator()).mean()
    assert whiter > 0.03


def test_snow_falls_on_land_only(strong):
    sea, lat = views(water=1.0), torch.full((24,), 70.0)
    assert torch.equal(strong(sea, lat, generator()), strong(sea, -lat, generator()))
    assert torch.equal(strong(sea, lat, generator()), strong(sea, torch.zeros(24), generator()))
