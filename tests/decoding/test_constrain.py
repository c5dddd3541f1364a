"""Answers that obey regions: masks along the way, places and shares at its end."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from graticule.decoding.constrain import CellMask, probability_inside
from graticule.earth import s2
from graticule.earth.cells import TokenScheme
from graticule.earth.regions import parse_region
from graticule.errors import ConfigError, CoordinateError

PAPER = TokenScheme.uniform(20)
SCHEMES = [PAPER, TokenScheme((2, 5, 9, 12)), TokenScheme.uniform(7)]
EARTH = torch.zeros(1, 1, 0, dtype=torch.int64)


def wander(mask, seed, width=5):
    """Complete tokens (1, W, T) reached by random steps where the mask allows."""
    rng = np.random.default_rng(seed)
    prefixes = EARTH.expand(1, width, 0)
    for _ in range(mask.scheme.length):
        allowed = mask.children(prefixes).numpy()
        assert allowed.any(-1).all(), "a dead end"
        token = np.where(allowed, rng.random(allowed.shape), -1).argmax(-1)
        prefixes = torch.cat([prefixes, torch.from_numpy(token)[..., None]], dim=-1)
    return prefixes


@settings(max_examples=25, deadline=None)
@given(
    lat=st.floats(-90, 90),
    lon=st.floats(-180, 180),
    log_radius=st.floats(-2.3, 4),
    scheme=st.sampled_from(SCHEMES),
    seed=st.integers(0, 99),
)
def test_whoever_follows_the_mask_arrives_inside(lat, lon, log_radius, scheme, seed):
    region = parse_region(f"{10**log_radius:.6f} km around {lat:.7f},{lon:.7f}")
    mask = CellMask(scheme, region)
    tokens = wander(mask, seed)
    places, share = mask.places(tokens)
    assert region.contains(places.numpy()).all()
    assert ((share >= 0) & (share <= 1)).all()
    found = share > 0
    reached = scheme.encode(*places[found].numpy().T)
    assert np.array_equal(reached, tokens[found].numpy())


@pytest.mark.parametrize("scheme", SCHEMES, ids=lambda scheme: f"{scheme.levels[0]}-{scheme.levels[-1]}")
@pytest.mark.parametrize("text", ["Fiji", "Vatican", "South Africa", "0,0,45,45", "60,-180,90,180"])
def test_points_of_the_region_are_allowed_all_the_way_and_far_ones_are_not(scheme, text):
    region = parse_region(text)
    mask = CellMask(scheme, region)
    rng = np.random.default_rng(1)
    inside, _ = region.points([s2.cell_ids(*region.anchor, level=level)[()] for level in range(0, 12, 2)])
    far = -inside + (0, rng.uniform(-1, 1))
    far = far[~region.contains(far)]
    for points, expected in ((inside, True), (far, False)):
        tokens = torch.from_numpy(scheme.encode(*points.T)).unsqueeze(0)
        whole = torch.ones(tokens.shape[:2], dtype=torch.bool)
        for t in range(scheme.length):
            allowed = mask.children(tokens[..., :t]).gather(-1, tokens[..., t : t + 1]).squeeze(-1)
            assert not expected or allowed.all()
            whole &= allowed
        assert (whole == expected).all()


def test_a_row_is_what_the_cells_are():
    region = parse_region("South Africa")
    mask = CellMask(PAPER, region)
    prefix = torch.from_numpy(PAPER.encode([-29.6], [27.0]))[None, :, :4]
    row = mask.children(prefix)[0, 0]
    children = torch.cat([prefix.expand(1, 16, 4), torch.arange(16)[None, :, None]], dim=-1)
    shares = region.shares(PAPER.decode(children.numpy()))[0]
    assert row.tolist() == (shares > 0).tolist()


def test_a_prefix_outside_has_no_children_and_one_inside_has_all():
    mask = CellMask(PAPER, parse_region("Chad"))
    tokens = torch.from_numpy(PAPER.encode([15.0, 48.0], [18.0, 2.0]))[None]
    rows = mask.children(tokens[..., :8])
    assert rows.shape == (1, 2, 16)
    assert rows[0, 0].all()
    assert not rows[0, 1].any()


def test_inside_cells_answer_with_their_centre():
    mask = CellMask(PAPER, parse_region("Chad"))
    tokens = torch.from_numpy(PAPER.encode([15.0], [18.0]))[None]
    places, share = mask.places(tokens)
    assert share.tolist() == [[1.0]]
    assert places[0, 0].tolist() == pytest.approx(np.ravel(PAPER.centres(tokens[0].numpy())).tolist())


def test_forgetting_changes_nothing(monkeypatch):
    region = parse_region("Fiji")
    expected = wander(CellMask(SCHEMES[2], region), 3)
    monkeypatch.setattr("graticule.decoding.constrain._KEPT", 0)
    monkeypatch.setattr("graticule.earth.regions.cuts._KEPT", 0)
    assert torch.equal(wander(CellMask(SCHEMES[2], parse_region("Fiji")), 3), expected)


def test_what_cannot_be_is_refused():
    mask = CellMask(PAPER, parse_region("0,0,1,1"))
    with pytest.raises(ConfigError, match="complete"):
        mask.children(torch.zeros(1, 1, 11, dtype=torch.int64))
    with pytest.raises(CoordinateError, match="token 16"):
        mask.children(torch.tensor([[[0, 16]]]))


def test_probability_inside_counts_cells_by_their_share():
    region = parse_region("0,0,45,45")
    faces = [(2 * face + 1) << 60 for face in range(6)]
    inner = s2.cell_ids(20.0, 20.0, level=10)[()]
    share = region.shares(faces[:1])[0]
    assert 0.2 < share < 0.3
    assert probability_inside(region, faces, [0.5, 0.1, 0.1, 0.1, 0.1, 0.1]) == pytest.approx(
        0.5 * share + 0.1 * region.shares(faces[1:]).sum()
    )
    assert probability_inside(region, [inner, faces[3]], [0.25, 0.75]) == 0.25
