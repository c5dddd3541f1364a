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
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Final, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray

from graticule.data.sources.contract import Problems, Scan
from graticule.data.sources.folder import Folder
from graticule.errors import ConfigError, InputError
from graticule.evaluation.comparison import paired_difference
from graticule.evaluation.markdown import method_table
from graticule.evaluation.report import judge_features
from graticule.extract.encoder import find_encoder
from graticule.extract.run import extract_scan
from graticule.model import Model
from graticule.store import ModelFolder, Packing, default_model, make_folder, write_whole
from graticule.training.best import load_best
from graticule.training.fit_calibration import calibrate_on_few
from graticule.training.fit_card import fit_card, verdict
from graticule.training.fit_choice import Part, candidates
from graticule.training.heads import HeadTask, head_training
from graticule.training.loop import train
from graticule.training.one_run import one_run
from graticule.training.outings import CALIBRATE, LEARN, LEFT_OUT, TEST, split_photos
from graticule.training.photos import Photos, day_of, read_photos

__all__ = ["LEAST_PHOTOS", "fit_folder"]

LEAST_PHOTOS: Final = 200
LEAST_IN_A_PART: Final = 30
"""Fewer photos could not tell a 90 % circle from a 50 % one."""
SHARD_ROWS: Final = 256
"""Photos a shard of features: a stopped run loses the work on one at most."""

PACKING: Final[dict[str, Packing]] = {"encoder": "exact", "alignment": "float32", "gallery": "float32"}
"""Nothing is rounded: what was judged is what is written."""


Progress: TypeAlias = Callable[[str], AbstractContextManager[Callable[[int, int], None]]]
"""Shows how far a step is that is called so: while its block runs, it is told (done, total)."""


@contextmanager
def _unseen(step: str) -> Iterator[Callable[[int, int], None]]:
    del step
    yield lambda done, total: None


def fit_folder(
    folder: Path,
    out: Path,
    *,
    truth: Path | None = None,
    encoder: str | None = None,
    seed: int = 0,
    report: Callable[[str], None] = print,
    progress: Progress = _unseen,
    stop_after_s: float = math.inf,
) -> bool:
    """Make a model folder from photos; `out/run` keeps what a stopped run needs to go on.

    The photos are only read.

    Args:
        folder: the photos.
        out: the model folder to write; not inside `folder`.
        truth: a CSV of their places; if not given, one that lies in the folder, or else the GPS in their EXIF.
        encoder: the model, by name or folder, that is built upon; the default model if not given.
        seed: of the split and of learning.
        report: gets lines of progress.
        progress: shows how far the reading of the photos is.
        stop_after_s: stop, resumable, after so many seconds.

    Returns:
        Whether it is finished.

    Raises:
        InputError: the photos are too few, or of too few places; the message says what to do. Or another run is at it.
        TableError: the CSV can't be used.
        ConfigError: the folder's run was of other photos or settings.
        ModelError: the base model can't be used.
    """
    deadline = time.monotonic() + stop_after_s
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; name the one with your photos.")
    if out.resolve().is_relative_to(folder.resolve()):
        raise InputError(f"{out}: lies among the photos, which are only read; name a folder elsewhere.")
    with progress("Looking through") as advance:
        scan = Folder().scan(folder, truth=truth, dated=True, progress=advance)
    report(_told(scan))
    _refuse_too_few(folder, scan.records.num_rows, scan.problems)
    encoder = encoder or default_model()
    settings: dict[str, Any] = {"encoder": encoder, "seed": seed, "truth": truth and truth.name}
    base = Model.open(encoder)
    make_folder(out)
    with one_run(out / "run", out):
        _same_run(out / "run", folder, scan.records, settings)
        photos = _extracted(scan, folder, out / "run", encoder, report, progress, deadline)
        return photos is not None and _fit(photos, folder, out, base, settings, report, deadline)


def _extracted(
    scan: Scan,
    folder: Path,
    run: Path,
    encoder: str,
    report: Callable[[str], None],
    progress: Progress,
    deadline: float,
) -> Photos | None:
    """The photos with their features; None if the deadline came first."""
    report(f"features, by the encoder of {encoder}")
    with progress("Extracting") as advance:
        outcome = extract_scan(
            scan,
            folder,
            encoder=find_encoder(encoder),
            out=run / "features",
            shard_rows=SHARD_ROWS,
            progress=advance,
            stop_after_s=deadline - time.monotonic(),
        )
    if not outcome.finished:
        return None
    photos = read_photos(scan, run / "features")
    lines = [json.dumps(asdict(problem), ensure_ascii=False) for problem in photos.left_out]
    write_whole(run / "unusable.jsonl", "".join(f"{line}\n" for line in lines).encode())
    _refuse_too_few(folder, len(photos), photos.left_out)
    return photos


def _fit(
    photos: Photos,
    folder: Path,
    out: Path,
    base: Model,
    settings: dict[str, Any],
    report: Callable[[str], None],
    deadline: float,
) -> bool:
    """From features to the model; whether it is finished."""
    split = split_photos(photos.lat_lon, photos.days, seed=settings["seed"])
    report(_counts(split))
    _refuse_too_alike(folder, split)
    learning, calibration, test = (
        Part(photos.features[torch.from_numpy(split == part)], photos.lat_lon[split == part])
        for part in (LEARN, CALIBRATE, TEST)
    )

    report("head: fine-tuning that of the base model")
    tuned = _tuned(base, learning, calibration, out / "run/head", settings["seed"], report, deadline)
    if tuned is None:
        return False
    names = {"name": out.resolve().name, "photos": folder.resolve().name}
    found = list(candidates(base, tuned, learning, calibration, **names))
    best = min(found, key=lambda candidate: candidate.nats)
    report("\n".join(f"  {candidate.nats:.2f} nats per km2: {candidate.words}" for candidate in found))
    report(f"chosen: {best.words}")
    # What pictures the base knew does not tell of one's own.
    model = replace(best.model, calibration=calibrate_on_few(best.model, calibration), familiarity=None)

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
        unusable=photos.left_out.by_kind(),
        choice={candidate.words: candidate.nats for candidate in found},
        chosen=best.words,
        own_places=best.model.gallery is not base.gallery,
        judged=results["fitted"],
        unfitted=results["base"],
        difference=difference,
        settings=settings,
    )
    write_whole(out / "run/report.json", json.dumps(results, indent=2).encode())
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


def _same_run(run: Path, folder: Path, records: Any, settings: Mapping[str, Any]) -> None:
    """A folder belongs to one set of photos, base and seed: what was kept of others can't be gone on with."""
    digest = hashlib.sha256(str(folder.resolve()).encode())
    for photo in records.select(["id", "latitude", "longitude", "captured_at"]).to_pylist():
        digest.update(repr((photo, _stamp(folder / photo["id"]))).encode())
    digest.update((ModelFolder.find(settings["encoder"]).path / "manifest.json").read_bytes())
    kept = {"photos": len(records), "seed": settings["seed"], "digest": digest.hexdigest()}
    path, text = run / "run.json", json.dumps(kept, indent=2) + "\n"
    if path.exists() and path.read_text(encoding="utf-8") != text:
        raise ConfigError(
            f"{path}: this folder's run was of other photos or settings; name another folder, or delete it."
        )
    write_whole(path, text.encode())


def _stamp(path: Path) -> tuple[int, int] | None:
    """What changes with a file; None if it is gone, of which extraction says more."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_size, status.st_mtime_ns


def _told(scan: Scan) -> str:
    lines = [f"{scan.records.num_rows} photos have a place that can be used"]
    lines += [f"  {count} not used: {reason}" for reason, count in scan.problems.by_kind().items()]
    undated = sum(day_of(when) is None for when in scan.records["captured_at"].to_pylist())
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


def _refuse_too_few(folder: Path, count: int, left_out: Problems) -> None:
    if count < LEAST_PHOTOS:
        why = "".join(f"; {number} not used: {reason}" for reason, number in left_out.by_kind().items())
        raise InputError(
            f"{folder}: {count} photos can be used, too few to fit a model to: {LEAST_PHOTOS} are needed{why}. "
            "Add photos, or name a CSV of their places (--truth); `graticule locate` answers without fitting."
        )


def _refuse_too_alike(folder: Path, split: NDArray[np.int64]) -> None:
    if min(int((split == part).sum()) for part in (LEARN, CALIBRATE, TEST)) < LEAST_IN_A_PART:
        raise InputError(
            f"{folder}: its photos are of too few places and days for a fair test: each part needs {LEAST_IN_A_PART}, "
            "and no place, 9 km wide, and no day may be in two. Add photos of other places; `graticule locate` "
            "answers without fitting."
        )
