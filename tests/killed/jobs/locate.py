"""`graticule locate --output`, in every format that can be gone on with; two pictures are refused."""

import shutil
from contextlib import suppress

from graticule.batch import run
from graticule.cli import app
from graticule.output import WRITERS
from killed.job import Job
from killed.jobs.parts import render, save_model


class Locate(Job):
    variants = (*WRITERS, "jsonl and a contact sheet")
    grows = ("found.part",)

    def prepare(self, root):
        save_model(root)
        views = sorted(render(root, "views", views=12).rglob("*.png"))
        (root / "pictures").mkdir()
        for view in views:
            shutil.copy(view, root / "pictures")
        (root / "pictures/a-bad.jpg").write_text("<html>")
        (root / "pictures/z-bad.jpg").touch()

    def run(self, variant, root, out):
        run.GROUP = 5
        form, _, more = variant.partition(" ")
        asked = ["locate", str(root / "pictures"), "--model", str(root / "model"), "--format", form]
        asked += [
            "--output",
            str(out / "found"),
            *(["--contact-sheet", str(out / "sheet.html")] if more else []),
        ]
        with suppress(SystemExit):  # with 1, as some are refused
            app(asked)
        assert (out / "found").exists()
