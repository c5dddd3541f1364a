"""What the beam holds after every step."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from graticule.decoding.beam import beam, frontiers
from graticule.earth.cells import TokenScheme
from graticule.errors import ConfigError
from graticule.tokens.gallery import GalleryCellModel
from graticule.tokens.query import Query

SCHEME = TokenScheme((0, 1, 3))


def model(seed=0):
    lat_lon = np.random.default_rng(seed).uniform((-90, -180), (90, 180), (60, 2))
    vectors = torch.randn(60, 6, generator=torch.Generator().manual_seed(seed))
    return GalleryCellModel(SCHEME, torch.from_numpy(lat_lon), vectors, temperature=0.5, epsilon=0.01)


def query(count=3, seed=0):
    return Query({"location": torch.randn(count, 6, generator=torch.Generator().manual_seed(seed + 1))})


@settings(deadline=None, max_examples=20)
@given(st.integers(1, 40), st.integers(0, 99))
def test_mass_is_only_ever_lost_on_the_way_down(width, seed):
    steps = frontiers(model(seed), query(seed=seed), width=width)
    held = torch.stack([step.log_probs.exp().sum(1) for step in steps])
    assert (held.diff(dim=0) <= 1e-9).all()
    assert (held <= 1 + 1e-9).all()
    if width >= 6:
        torch.testing.assert_close(held[0], torch.ones(3, dtype=torch.float64))
    for depth, step in enumerate(steps):
        assert step.tokens.shape[2] == depth + 1
        assert (step.log_probs.diff(dim=1) <= 0).all()
        torch.testing.assert_close(step.token_log_probs.sum(2), step.log_probs)


def test_the_last_frontier_is_the_beam():
    last, best = frontiers(model(), query(), width=7)[-1], beam(model(), query(), width=7)
    assert torch.equal(last.tokens, best.tokens)
    assert torch.equal(last.log_probs, best.log_probs)
    assert torch.equal(last.token_log_probs, best.token_log_probs)


def test_every_cell_lies_in_a_cell_of_the_frontier_before():
    steps = frontiers(model(), query(), width=5)
    assert len(steps) == SCHEME.length
    for coarse, fine in pairwise(steps):
        for picture in range(3):
            parents = {tuple(tokens) for tokens in coarse.tokens[picture].tolist()}
            assert all(tuple(tokens[:-1]) in parents for tokens in fine.tokens[picture].tolist())


def test_a_frontier_wide_enough_holds_everything():
    for step, cells in zip(frontiers(model(), query(), width=384), (6, 24, 384), strict=True):
        assert step.tokens.shape[1] == cells
        torch.testing.assert_close(step.log_probs.exp().sum(1), torch.ones(3, dtype=torch.float64))


def test_no_width_is_refused():
    with pytest.raises(ConfigError, match="beam width is 0"):
        frontiers(model(), query(), width=0)


@pytest.mark.parametrize("width", [1, 3, 6])
def test_showing_more_follows_no_more(width):
    """What is shown begins with what a bare search keeps, and the rest are other children of its prefixes."""
    bare, shown = (frontiers(model(), query(), width=width, shown=s) for s in (None, 64))
    for depth, (few, many) in enumerate(zip(bare, shown, strict=True)):
        torch.testing.assert_close(many.log_probs[:, :width], few.log_probs[:, :width])
        assert torch.equal(many.tokens[:, :width], few.tokens[:, :width])
        assert many.tokens.shape[1] == min(64, width * SCHEME.vocabulary[depth] if depth else 6)
        if depth:
            followed = {
                (b, *t) for b, row in enumerate(bare[depth - 1].tokens.tolist()) for t in map(tuple, row)
            }
            seen = {(b, *t[:-1]) for b, row in enumerate(many.tokens.tolist()) for t in map(tuple, row)}
            assert seen <= followed
