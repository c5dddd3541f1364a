"""A model of one's own, from a few hundred photos upward: `graticule fit`.

    photos      which have a place that can be believed
    features    of them, by the encoder of a base model
    parts       to learn from, to choose and calibrate by, to be judged by: no place and no day in two of them
    head        the base's image head, fine-tuned
    choice      of heads, gallery and temperature, by the likelihood of the true places
    calibration of the one chosen
    judgement   of it and of the base model, on the photos kept for that

So few photos train no GeoToken; a gallery under a softmax answers instead, unless the base as it is knows better.
"""

from __future__ import annotations

import hashlib
import json
import math
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray

from graticule.errors import ConfigError, InputError
from graticule.evaluation.comparison import paired_difference
from graticule.evaluation.markdown import method_table
from graticule.evaluation.report import judge_features
from graticule.model import Model
from graticule.store import ModelFolder, Packing, default_model, make_folder, write_whole
from graticule.training.best import load_best
from graticule.training.fit_calibration import calibrate_on_few
from graticule.training.fit_card import fit_card, verdict
from graticule.training.fit_choice import Part, candidates
from graticule.training.heads import HeadTask, head_training
from graticule.training.loop import train
from graticule.training.outings import CALIBRATE, LEARN, LEFT_OUT, TEST, split_photos
from graticule.training.photo_features import extract_photos
from graticule.training.photos import Photos, read_photos

__all__ = ["LEAST_PHOTOS", "fit_folder"]

LEAST_PHOTOS: Final = 200
LEAST_IN_A_PART: Final = 30
"""Fewer photos could not tell a 90 % circle from a 50 % one."""

PACKING: Final[dict[str, Packing]] = {"encoder": "exact", "alignment": "float32", "gallery": "float32"}
"""Nothing is rounded: what was judged is what is written."""


def fit_folder(
    folder: Path,
    out: Path,
    *,
    truth: Path | None = None,
    encoder: str | None = None,
    seed: int = 0,
    report: Callable[[str], None] = print,
    stop_after_s: float = math.inf,
) -> bool:
    """Make a model folder from photos; `out/run` keeps what a stopped run needs to go on.

    The photos are only read.

    Args:
        folder: the photos.
        out: the model folder to write; not inside `folder`.
        truth: a CSV of their places; the GPS in their EXIF if not given.
        encoder: the model, by name or folder, that is built upon; the default model if not given.
        seed: of the split and of learning.
        report: gets lines of progress.
        stop_after_s: stop, resumable, after so many seconds.

    Returns:
        Whether it is finished.

    Raises:
        InputError: the photos are too few, or of too few places; the message says what to do.
        ConfigError: the folder's run was of other photos or settings.
        ModelError: the base model can't be used.
    """
    deadline = time.monotonic() + stop_after_s
    if out.resolve().is_relative_to(folder.resolve()):
        raise InputError(f"{out}: lies among the photos, which are only read; name a folder elsewhere.")
    photos = read_photos(folder, truth)
    report(_told(photos))
    _refuse_too_few(folder, photos)
    base_name = encoder or default_model()
    base = Model.open(base_name)
    make_folder(out)
    run = out / "run"
    _same_run(run, photos, ModelFolder.find(base_name), seed)

    report(f"features, by the encoder of {base.config.name}")
    extracted = extract_photos(photos.paths, base.encoder, run / "features", report=report, deadline=deadline)
    if extracted is None:
        return False
    features, refused = extracted
    photos = photos.without(refused)
    _write_unusable(run, photos)
    _refuse_too_few(folder, photos)
    split = split_photos(photos.lat_lon, photos.days, seed=seed)
    report(_counts(split))
    _refuse_too_alike(folder, split)
    learning, calibration, test = (
        Part(features[torch.from_numpy(split == part)], photos.lat_lon[split == part])
        for part in (LEARN, CALIBRATE, TEST)
    )

    report("head: fine-tuning that of the base model")
    tuned = _tuned(base, learning, calibration, run / "head", seed, report, deadline)
    if tuned is None:
        return False
    names = {"name": out.resolve().name, "photos": folder.resolve().name}
    found = list(candidates(base, tuned, learning, calibration, **names))
    best = min(found, key=lambda candidate: candidate.nats)
    report("\n".join(f"  {candidate.nats:.2f} nats per km2: {candidate.words}" for candidate in found))
    report(f"chosen: {best.words}")
    model = replace(best.model, calibration=calibrate_on_few(best.model, calibration))

    judged, unfitted = (
        judge_features(either, test.features, test.lat_lon, pictures=f"photos of {folder.resolve().name}")
        for either in (model, base)
    )
    difference = paired_difference(judged.answers.km, unfitted.answers.km)
    results = {"fitted": judged.to_dict(), "base": unfitted.to_dict(), "difference": asdict(difference)}
    report(f"{method_table(results['fitted'])}\n{verdict(difference, base.config.name)}")
    card = fit_card(
        model.config,
        base=base.config,
        counts=_counts(split),
        unusable=photos.reasons(),
        choice={candidate.words: candidate.nats for candidate in found},
        chosen=best.words,
        own_places=best.model.gallery is not base.gallery,
        judged=results["fitted"],
        unfitted=results["base"],
        difference=difference,
        settings={"encoder": base_name, "seed": seed, "truth": None if truth is None else truth.name},
    )
    write_whole(run / "report.json", json.dumps(results, indent=2).encode())
    model.save(out, card=card, packing=PACKING)
    return True


def _tuned(
    base: Model,
    learning: Part,
    calibration: Part,
    folder: Path,
    seed: int,
    report: Callable[[str], None],
    deadline: float,
) -> Any:
    """The base's alignment with its image head fine-tuned; None if the deadline came first."""
    own, held = ((part.features, torch.from_numpy(part.lat_lon)) for part in (learning, calibration))
    task = HeadTask(base, own, held, seed=seed)
    left = deadline - time.monotonic()
    result = train(task, head_training(seed), folder, report=report, stop_after_s=left)
    if not result.finished:
        return None
    load_best(task.model, folder)
    return task.model


def _same_run(run: Path, photos: Photos, base: ModelFolder, seed: int) -> None:
    """A folder belongs to one set of photos, base and seed: what was kept of others can't be gone on with."""
    digest = hashlib.sha256(photos.lat_lon.tobytes())
    for path, day in zip(photos.paths, photos.days, strict=True):
        status = path.stat()
        digest.update(repr((str(path.resolve()), status.st_size, status.st_mtime_ns, day)).encode())
    digest.update((base.path / "manifest.json").read_bytes())
    text = json.dumps({"photos": len(photos), "seed": seed, "digest": digest.hexdigest()}, indent=2) + "\n"
    path = run / "run.json"
    if path.exists() and path.read_text(encoding="utf-8") != text:
        raise ConfigError(
            f"{path}: this folder's run was of other photos or settings; name another folder, or delete it."
        )
    write_whole(path, text.encode())


def _write_unusable(run: Path, photos: Photos) -> None:
    lines = [json.dumps({"path": str(path), "problem": why}) for path, why in photos.unusable.items()]
    write_whole(run / "unusable.jsonl", "".join(f"{line}\n" for line in lines).encode())


def _told(photos: Photos) -> str:
    lines = [f"{len(photos)} of {len(photos) + len(photos.unusable)} photos have a place"]
    lines += [f"  {count} not used: {reason}" for reason, count in photos.reasons().items()]
    undated = sum(day is None for day in photos.days)
    if undated:
        lines.append(f"  {undated} do not say when they were taken: they are parted by place alone")
    return "\n".join(lines)


def _counts(split: NDArray[np.int64]) -> str:
    count = {part: int((split == part).sum()) for part in (LEARN, CALIBRATE, TEST, LEFT_OUT)}
    left = f", {count[LEFT_OUT]} left out, taken on the days of another part" if count[LEFT_OUT] else ""
    return (
        f"{len(split)} photos: {count[LEARN]} to learn from, {count[CALIBRATE]} to choose and calibrate by, "
        f"{count[TEST]} to be judged by{left}"
    )


def _refuse_too_few(folder: Path, photos: Photos) -> None:
    if len(photos) < LEAST_PHOTOS:
        why = "".join(f"; {count} not used: {reason}" for reason, count in photos.reasons().items())
        raise InputError(
            f"{folder}: {len(photos)} photos can be used, too few to fit a model to: {LEAST_PHOTOS} are needed{why}. "
            "Add photos, or name a CSV of their places (--truth); `graticule locate` answers without fitting."
        )


def _refuse_too_alike(folder: Path, split: NDArray[np.int64]) -> None:
    if min(int((split == part).sum()) for part in (LEARN, CALIBRATE, TEST)) < LEAST_IN_A_PART:
        raise InputError(
            f"{folder}: its photos are of too few places and days for a fair test: each part needs {LEAST_IN_A_PART}, "
            "and no place, 9 km wide, and no day may be in two. Add photos of other places; `graticule locate` "
            "answers without fitting."
        )
