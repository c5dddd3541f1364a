"""Whether a picture is like those a model was calibrated on, and what is left of its density if not."""

import json

import numpy as np
import pytest
import torch

from graticule.decoding.density import density
from graticule.decoding.familiarity import TRAITS, Familiarity, contrast, evenly, traits
from graticule.earth.cells import TokenScheme
from graticule.earth.distance import EARTH_RADIUS_KM
from graticule.earth.regions import parse_region
from graticule.errors import ModelFormatError
from graticule.evaluation.familiarity_fit import Looks
from graticule.tokens.gallery import GalleryCellModel
from graticule.tokens.query import Query


def soft(count, seed=0, size=64):
    """Pictures of soft colours with grain (B, 3, S, S), no two of one mean."""
    draws = torch.Generator().manual_seed(seed)
    colours = torch.rand(count, 3, 8, 8, generator=draws) * 160
    wide = torch.nn.functional.interpolate(colours, size=(size, size), mode="bilinear")
    return (wide + torch.randn(wide.shape, generator=draws) * 6 + 40).clamp(0, 255).to(torch.uint8)


@pytest.fixture(scope="module")
def known():
    looks = Looks()
    looks.add(soft(1500, 0))
    looks.add(soft(1500, 1))
    return looks.fit(name="small", fitted_on="3000 made pictures")


def test_pictures_like_those_are_not_doubted(known):
    doubted = [notice is not None for notice in known.notices(soft(2000, 2))]
    assert np.mean(doubted) < 0.008


def test_other_pictures_are_and_it_says_why(known):
    flat = torch.full((1, 3, 64, 64), 90, dtype=torch.uint8)
    stripes = (torch.arange(64) // 16 % 2 * 200).to(torch.uint8).expand(1, 3, 64, 64)
    [about_flat, about_stripes] = known.notices(torch.cat([flat, stripes]))
    assert about_flat.startswith("flatter than 999 in 1,000 of the pictures that small was calibrated on")
    assert about_stripes.startswith("less like the rest than 999 in 1,000 of the pictures that small was")


def test_a_picture_is_judged_alone_and_the_same_at_any_size(known):
    pixels = soft(5)
    torch.testing.assert_close(
        traits(pixels), torch.cat([traits(one[None]) for one in pixels]), rtol=1e-4, atol=1e-5
    )
    large = pixels.repeat_interleave(3, dim=2).repeat_interleave(3, dim=3)
    torch.testing.assert_close(traits(large), traits(pixels), rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(contrast(large), contrast(pixels), rtol=1e-4, atol=1e-4)
    assert traits(pixels).shape == (5, TRAITS)


def test_contrast_is_that_of_parts_and_not_of_grain():
    halves = torch.zeros(1, 3, 64, 64, dtype=torch.uint8)
    halves[..., 32:] = 100
    assert float(contrast(halves)) == pytest.approx(50 * (64 / 63) ** 0.5, rel=1e-5)
    grain = (torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(0)) * 8 + 100).to(torch.uint8)
    assert float(contrast(grain)) < 1.5


def test_too_few_pictures_doubt_nothing():
    looks = Looks()
    looks.add(soft(300))
    few = looks.fit(name="small", fitted_on="300 made pictures")
    assert few.farthest is None
    assert few.least_contrast == 0
    assert few.notices(torch.zeros(2, 3, 64, 64, dtype=torch.uint8)) == [None, None]


def test_what_is_written_is_read(known):
    assert Familiarity.from_json(known.to_json()) == known


@pytest.mark.parametrize(
    "change",
    [
        {"mean": [0.0]},
        {"whitening": [[0.0]] * TRAITS},
        {"farthest": "far"},
        {"farthest": -1},
        {"doubted": 0},
        {"more": 1},
    ],
)
def test_what_is_no_familiarity_is_refused(known, change):
    with pytest.raises(ModelFormatError, match=r"here\.json"):
        Familiarity.from_json(json.dumps(json.loads(known.to_json()) | change), name="here.json")
    with pytest.raises(ModelFormatError, match=r"here\.json"):
        Familiarity.from_json("[", name="here.json")


@pytest.fixture(scope="module")
def cells():
    lat_lon = np.random.default_rng(0).uniform((-90, -180), (90, 180), (30, 2))
    vectors = torch.randn(30, 6, generator=torch.Generator().manual_seed(0))
    return GalleryCellModel(
        TokenScheme((0, 2, 4)), torch.from_numpy(lat_lon), vectors, temperature=0.1, epsilon=0.01
    )


def query():
    return Query({"location": torch.randn(3, 6, generator=torch.Generator().manual_seed(1))})


def test_nothing_is_known_of_the_doubted_and_the_rest_stays(cells):
    found = density(cells, query())
    even = evenly(found, [False, True, False])
    earth = 4 * np.pi * EARTH_RADIUS_KM**2
    np.testing.assert_allclose(2 ** even.entropy_bits()[1], earth, rtol=1e-6)
    assert even.total[1] == pytest.approx(1)
    for row in (0, 2):
        np.testing.assert_array_equal(even.mass[row], found.mass[row])
        np.testing.assert_array_equal(even.cells[row], found.cells[row])
    chile = parse_region("Chile")
    assert even.probability(chile.shares)[1] == pytest.approx(756_000 / earth, rel=0.05)


def test_where_nobody_is_doubted_it_is_the_same_density(cells):
    found = density(cells, query())
    assert evenly(found, [False] * 3) is found
