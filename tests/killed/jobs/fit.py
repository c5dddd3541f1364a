"""`graticule fit`: features, a head, the choice, calibration, and the model folder."""

from graticule.training import fit
from graticule.training.heads import head_training
from killed.job import Job, quiet
from killed.jobs.parts import render, save_model


class Fit(Job):
    grows = ("log.jsonl",)

    def prepare(self, root):
        save_model(root)
        render(root, "photos", views=60)

    def run(self, variant, root, out):
        few = head_training(0).model_copy(update={"steps": 6, "validate_every": 3, "checkpoint_every_s": -1})
        fit.head_training = lambda seed: few
        fit.LEAST_PHOTOS, fit.LEAST_IN_A_PART, fit.SHARD_ROWS = 20, 6, 24
        photos = root / "photos"
        truth = photos / "truth.csv"
        assert fit.fit_folder(photos, out, truth=truth, encoder=str(root / "model"), report=quiet)
