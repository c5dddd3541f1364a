"""Index building: vectors, what finds them, and the neighbours of every row."""

import numpy as np
import torch
from safetensors.torch import save_file

from graticule.retrieval import build, neighbours
from graticule.training.index import index_folder
from killed.job import Job, quiet


class Index(Job):
    variants = ("exact", "ivfpq", "ivfpq with neighbours")
    grows = ("building/vectors.safetensors",)

    def prepare(self, root):
        generator = torch.Generator().manual_seed(0)
        features = {
            "features": torch.randn(300, 16, generator=generator).half(),
            "lat_lon": torch.from_numpy(np.random.default_rng(0).uniform(-60, 60, (300, 2))),
        }
        (root / "features").mkdir()
        save_file(features, root / "features/shard-00000000.safetensors")

    def run(self, variant, root, out):
        build._BLOCK_ROWS, build._CHECKPOINT_ROWS, neighbours._ROWS_AT_ONCE = 64, 128, 100
        kind, _, more = variant.partition(" ")
        asked = neighbours.NeighbourConfig(count=3) if more else None
        assert index_folder(root / "features", out, kind=kind, neighbours=asked, report=quiet)
