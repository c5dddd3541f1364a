"""Run by test_kill_commands.py: each command that trains, killed by SIGKILL at some moments, then run again.

    python killed_commands.py BASE-MODEL PHOTOS FOLDER COMMAND COUNT

A moment is `write:N` (when the N-th file lies half written beside its place) or `step:N` (while step N is computed);
COUNT of each kind are drawn among those that an unharmed run has, which comes first. For each, prints the moment, the
signal that ended the run, and the folder of the run that was killed. Every run is a process of its own, forked before
torch has computed anything.
"""

import json
import os
import sys
from pathlib import Path

import numpy as np
import torch
import torch._dynamo  # which the optimizer imports at its first step: here once, not once in every process
from safetensors.torch import save_file

from graticule.alignment.location import LocationEncoderConfig
from graticule.alignment.spaces import SpacesAlignment, SpacesAlignmentConfig
from graticule.model import Model
from graticule.retrieval.neighbours import NeighbourConfig
from graticule.training import fit, loop
from graticule.training.geotoken_folder import GeoTokenRecipe, train_geotoken
from graticule.training.heads import head_training
from graticule.training.index import index_folder
from graticule.training.reward import RewardRecipe, train_reward
from graticule.training.reward_pictures import FeatureFolder
from graticule.training.spaces import SpacesRecipe, align_folder
from killing import dies_at, in_a_process, moments

COUNT, WIDTH = 120, 16
LOCATION = LocationEncoderConfig(sigmas=(1.0, 3.0), frequencies=8, hidden=16, layers=1, width=WIDTH)
GEOTOKEN = {
    "geotoken": {
        "levels": [0, 2, 4],
        "neighbours": 4,
        "d_model": 16,
        "heads": 2,
        "encoder_layers": 1,
        "decoder_layers": 1,
        "feed_forward": 32,
    },
    "batch": 24,
    "epochs": 2,
    "validation_share": 0.2,
}
REWARD = {"near_km": 2000, "views": 40, "validation_views": 10, "samples": 4, "batch": 8, "steps": 4}


def quiet(line):
    del line


def prepare(parts):
    """Features, an alignment of them, and their index with neighbours."""
    torch.set_num_threads(1)
    random = np.random.default_rng(0)
    lat_lon = torch.from_numpy(random.uniform((-60, -180), (75, 180), (COUNT, 2)))
    features = torch.randn(COUNT, WIDTH, generator=torch.Generator().manual_seed(0)).half()
    (parts / "features").mkdir(parents=True)
    for number, rows in enumerate(torch.arange(COUNT).split(70)):
        path = parts / "features" / f"shard-{number:08d}.safetensors"
        save_file({"features": features[rows], "lat_lon": lat_lon[rows]}, path)
    torch.manual_seed(0)
    config = SpacesAlignmentConfig(feature_width=WIDTH, hidden=WIDTH, location=LOCATION, text_width=WIDTH)
    SpacesAlignment(config).save(parts / "alignment", about={}, card="")
    index_folder(
        parts / "features",
        parts / "index",
        alignment=str(parts / "alignment"),
        neighbours=NeighbourConfig(count=5),
        report=quiet,
    )


def align(parts, base, photos, out):
    recipe = SpacesRecipe(steps=6, batch=32, location=LOCATION, validation_share=0.2)
    return align_folder(parts / "features", out, recipe, report=quiet)


def geotoken(parts, base, photos, out):
    return train_geotoken(
        parts / "features",
        out,
        GeoTokenRecipe.model_validate(GEOTOKEN),
        index=parts / "index",
        alignment=str(parts / "alignment"),
        encoder=base,
        report=quiet,
    )


def reward(parts, base, photos, out):
    pictures, recipe = FeatureFolder(parts / "features", parts / "index"), RewardRecipe.of(**REWARD, hidden=8)
    return train_reward(Model.open(parts / "geotoken"), pictures, out, recipe, report=quiet)


def fit_photos(parts, base, photos, out):
    few = head_training(0).model_copy(update={"steps": 6, "validate_every": 3, "checkpoint_every_s": -1})
    fit.head_training = lambda seed: few
    fit.LEAST_PHOTOS, fit.LEAST_IN_A_PART, fit.SHARD_ROWS = 20, 6, 24
    truth = Path(photos) / "truth.csv"
    return fit.fit_folder(Path(photos), out, truth=truth, encoder=base, report=quiet)


COMMANDS = {"align": align, "geotoken": geotoken, "reward": reward, "fit": fit_photos}


def often_kept():
    """Checkpoints after each step, as in a run whose steps take minutes."""
    loop.TrainingConfig.model_fields["checkpoint_every_s"].default = -1.0
    loop.TrainingConfig.model_rebuild(force=True)


def run(command, given, out, kind=None, number=0):
    torch.set_num_threads(1)
    often_kept()
    if kind == "write":
        os.fsync = dies_at(number, os.fsync)
    if kind == "step":
        loop._step = dies_at(number, loop._step)
    assert COMMANDS[command](*given, out), "the command did not end"


def counted(command, given, out):
    """An unharmed run, and how many moments of each kind it had."""
    calls = {"write": 0, "step": 0}

    def count(kind, function):
        def counting(*arguments):
            calls[kind] += 1
            return function(*arguments)

        return counting

    os.fsync, loop._step = count("write", os.fsync), count("step", loop._step)
    run(command, given, out)
    (out.parent / "moments.json").write_text(json.dumps(calls))


def main(base, photos, root, command, count):
    parts = root / "parts"
    in_a_process(prepare, parts)
    given = parts, base, photos
    if command == "reward":
        in_a_process(geotoken, parts, base, photos, parts / "geotoken")
    (root / "whole").mkdir()
    in_a_process(counted, command, given, root / "whole/mine")
    there = json.loads((root / "whole/moments.json").read_text())
    for kind, among in there.items():
        for number in moments(int(count), among=among, seed=among):
            folder = root / f"{kind}-{number}"
            folder.mkdir()
            ended = in_a_process(run, command, given, folder / "mine", kind, number)
            in_a_process(run, command, given, folder / "mine")
            print(f"{kind}:{number}", ended, folder.name, flush=True)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], Path(sys.argv[3]), *sys.argv[4:])
