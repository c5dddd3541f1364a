"""Training: the one loop, an alignment, a GeoToken on an index, and a reward model on a GeoToken."""

import torch

from faults.small import WIDTH, toy_run
from feature_parts import GEOTOKEN, make_parts
from graticule.alignment.location import LocationEncoderConfig
from graticule.model import Model
from graticule.training import loop
from graticule.training.geotoken_folder import GeoTokenRecipe, train_geotoken
from graticule.training.reward import RewardRecipe, train_reward
from graticule.training.reward_pictures import FeatureFolder
from graticule.training.spaces import SpacesRecipe, align_folder
from killed.job import Job, quiet
from killed.jobs.parts import save_model

LOCATION = LocationEncoderConfig(sigmas=(1.0, 3.0), frequencies=8, hidden=16, layers=1, width=WIDTH)
REWARD = {"near_km": 2000, "views": 40, "validation_views": 10, "samples": 4, "batch": 8, "steps": 4}


class Training(Job):
    variants = ("loop", "align", "geotoken", "reward")
    grows = ("log.jsonl",)

    def prepare(self, root):
        torch.set_num_threads(1)
        save_model(root)
        make_parts(root, WIDTH)
        _geotoken(root, root / "geotoken")

    def run(self, variant, root, out):
        # Checkpoints after each step, as in a run whose steps take minutes.
        loop.TrainingConfig.model_fields["checkpoint_every_s"].default = -1.0
        loop.TrainingConfig.model_rebuild(force=True)
        assert {"loop": _loop, "align": _align, "geotoken": _geotoken, "reward": _reward}[variant](root, out)


def _loop(root, out):
    return toy_run(out)[1].finished


def _align(root, out):
    recipe = SpacesRecipe(steps=6, batch=32, location=LOCATION, validation_share=0.2)
    return align_folder(root / "features", out, recipe, report=quiet)


def _geotoken(root, out):
    return train_geotoken(
        root / "features",
        out,
        GeoTokenRecipe.model_validate(GEOTOKEN),
        index=root / "index",
        alignment=str(root / "alignment"),
        encoder=str(root / "model"),
        report=quiet,
    )


def _reward(root, out):
    pictures, recipe = FeatureFolder(root / "features", root / "index"), RewardRecipe.of(**REWARD, hidden=8)
    return train_reward(Model.open(root / "geotoken"), pictures, out, recipe, report=quiet)
