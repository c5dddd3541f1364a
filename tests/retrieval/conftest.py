"""Vectors that lie in clusters, and folders of indexes of them."""

import pytest
import torch
from torch.nn import functional

from graticule import registry
from graticule.retrieval import build
from graticule.retrieval.folder import IndexPlan


@pytest.fixture(scope="session")
def clustered():
    """(rows, width) unit vectors, a seed each."""

    def clustered(rows, width=16, *, clusters=30, seed=0):
        centres = torch.randn(clusters, width, generator=torch.Generator().manual_seed(99))
        generator = torch.Generator().manual_seed(seed)
        chosen = torch.randint(clusters, (rows,), generator=generator)
        noise = torch.randn(rows, width, generator=generator)
        return functional.normalize(centres[chosen] + 0.5 * noise, dim=-1)

    return clustered


@pytest.fixture(scope="session")
def places():
    """(rows, 2) degrees."""

    def places(rows, *, seed=0):
        generator = torch.Generator().manual_seed(seed)
        return torch.rand(rows, 2, generator=generator, dtype=torch.float64) * 160 - 80

    return places


@pytest.fixture(scope="session")
def plan_of():
    """A plan for vectors."""

    def plan_of(vectors, kind="ivfpq", **settings):
        return IndexPlan(
            kind=kind,
            rows=len(vectors),
            width=vectors.shape[1],
            encoder_digest="e" * 64,
            vectors="made up",
            features="f" * 64,
            settings=registry.INDEXES.settings({"kind": kind, **settings}),
        )

    return plan_of


@pytest.fixture
def index_of(tmp_path, monkeypatch, places, plan_of):
    """Writes the folder of an index in blocks of 64 rows, with checkpoints every 128; gives what was said."""
    monkeypatch.setattr(build, "_BLOCK_ROWS", 64)
    monkeypatch.setattr(build, "_CHECKPOINT_ROWS", 128)

    def index_of(vectors, kind="ivfpq", *, out=tmp_path / "index", stop_after_s=float("inf"), **settings):
        source = build.Unindexed(places(len(vectors)), lambda rows: vectors[rows])
        build.build_index(
            source,
            out,
            plan_of(vectors, kind, **settings),
            report=lambda line: None,
            stop_after_s=stop_after_s,
        )
        return out

    return index_of
