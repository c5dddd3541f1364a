"""Run by test_stored.py: how much memory training takes on folders of features.

    python memory_run.py align|geotoken FOLDER...

Prints for each, computed in a process of its own, by how many MB the peak of its resident memory rose.
"""

import os
import resource
import sys
from pathlib import Path

import torch
import torch._dynamo  # which the optimizer imports at its first step: here once, not once in every process

from graticule.alignment.location import LocationEncoderConfig
from graticule.alignment.policies import PolicyConfig
from graticule.alignment.spaces import SpacesAlignment, SpacesAlignmentConfig
from graticule.earth.cells import TokenScheme
from graticule.tokens.geotoken import GeoTokenConfig
from graticule.training.frozen import FrozenAlignConfig
from graticule.training.geotoken import GeoTokenTask, GeoTokenTaskConfig
from graticule.training.loop import TrainingConfig, train
from graticule.training.neighboured import complete, neighboured
from graticule.training.shards import read_records, split_rows
from graticule.training.spaces import SpacesTask

HOW = TrainingConfig(steps=2, bf16=False)


def align(folder):
    records = read_records(folder)
    for rows in torch.randperm(len(records)).split(2048):
        records.features[rows]
    training, validation = (records[rows] for rows in split_rows(records.lat_lon, 0.05))
    location = LocationEncoderConfig(sigmas=(1.0,), frequencies=8, hidden=16, layers=1, width=8)
    alignment = SpacesAlignmentConfig(feature_width=records.features.shape[1], hidden=8, location=location)
    config = FrozenAlignConfig(
        alignment=alignment, policy=PolicyConfig(name="none"), batch=128, queue=128, validation_rows=128
    )
    task = SpacesTask(config, training, validation, gallery=128)
    train(task, HOW, folder / "run", report=lambda line: None)


def geotoken(folder):
    records = read_records(folder)
    alignment = SpacesAlignment.from_folder(folder / "alignment")
    pictures = complete(neighboured(records, folder / "index", alignment=alignment, neighbours=4))
    scheme = TokenScheme((0, 2))
    for rows in torch.arange(len(pictures)).split(512):
        pictures.query(scheme, rows)
    sizes = {"d_model": 16, "heads": 2, "encoder_layers": 1, "decoder_layers": 1, "feed_forward": 32}
    config = GeoTokenConfig(
        levels=scheme.levels,
        neighbours=4,
        vectors=pictures.query_widths(),
        neighbour_vectors=("location",),
        **sizes,
    )
    training, validation = (pictures.only(rows) for rows in split_rows(records.lat_lon, 0.05))
    task = GeoTokenTask(
        GeoTokenTaskConfig(geotoken=config, batch=128, validation_rows=128), training, validation
    )
    train(task, HOW, folder / "run", report=lambda line: None)


def peak_mb():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


WORK = {"align": align, "geotoken": geotoken}[sys.argv[1]]
for folder in sys.argv[2:]:
    child = os.fork()
    if child == 0:
        before = peak_mb()
        try:
            torch.set_num_threads(1)
            WORK(Path(folder))
            print(peak_mb() - before, flush=True)
        finally:
            os._exit(0)
    os.waitpid(child, 0)
