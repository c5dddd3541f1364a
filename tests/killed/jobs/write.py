"""`graticule write` into sidecars and into pictures, with --undo after; and undoing itself."""

import errno
import json
import shutil
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from graticule.errors import InputError
from graticule.metadata import run
from graticule.metadata.decide import Rules
from graticule.metadata.journal import journal_path
from graticule.metadata.results import read_results
from graticule.metadata.undo import undo
from graticule.metadata.xmp import EMPTY
from killed.job import Job

PICTURES = ("a.jpg", "b.png", "c.jpg")


class Write(Job):
    grows = ("results.write-journal.jsonl",)

    @property
    def variants(self):
        embedding = (
            ("in place", "in place without links", "undo in place") if shutil.which("exiftool") else ()
        )
        return ("sidecars", "undo sidecars", *embedding)

    def prepare(self, root):
        """Three pictures, of which one has a sidecar already."""
        folder = root / "template"
        folder.mkdir()
        pixels = np.random.default_rng(0).integers(0, 256, (24, 32, 3), np.uint8)
        candidate = {"latitude": -43.0, "longitude": 5.0, "probability": 0.25, "cell": "0d4"}
        place = {"latitude": -43.1, "longitude": 5.25, "radius_km": 24.2}
        for name in PICTURES:
            Image.fromarray(pixels).save(folder / name)
        (folder / "b.png.xmp").write_bytes(EMPTY)
        lines = [{"path": name, **place, "candidates": [candidate], "model": "orbit"} for name in PICTURES]
        (folder / "results.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))

    def begin(self, variant, root, out):
        shutil.copytree(root / "template", out)
        if variant.startswith("undo"):
            _write(out, variant)

    def run(self, variant, root, out):
        if variant.startswith("undo"):
            _undo(out)
        else:
            _write(out, variant)

    def goes_back(self, variant):
        return not variant.startswith("undo")

    def back(self, variant, root, out):
        _undo(out)


def _write(folder, variant):
    run._now = lambda: datetime(2026, 11, 23, tzinfo=UTC)
    if "without links" in variant:  # as on the card of a camera
        Path.hardlink_to = _no_links
    results, manner = (
        read_results(folder / "results.jsonl"),
        run.Manner(folder, in_place="in place" in variant),
    )
    outcomes = list(run.write(results, Rules(), manner, dry_run=False))
    assert not [outcome for outcome in outcomes if outcome.action == "refuse"], outcomes


def _no_links(path, target):
    raise OSError(errno.EPERM, "no links here")


def _undo(folder):
    journal = journal_path(folder / "results.jsonl")
    if not (journal.exists() and journal.stat().st_size):
        # A run that was killed before its journal's first line has changed nothing, an undo after it everything.
        with pytest.raises(InputError, match="no such journal"):
            list(undo(journal))
        return
    outcomes = list(undo(journal))
    assert not [outcome for outcome in outcomes if outcome.action == "refuse"], outcomes
