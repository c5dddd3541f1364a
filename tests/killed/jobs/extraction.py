"""Extraction of features from each published layout; two pictures can't be read."""

from graticule.extract.run import extract
from killed.job import Job
from killed.jobs.parts import render, save_model

VIEWS, SHARD_ROWS = 15, 4
LAYOUTS = {
    "folder": ("folder", None),
    "im2gps3k": ("im2gps", None),
    "yfcc4k": ("yfcc4k", None),
    "mp16": ("mp16", None),
    "osv5m": ("osv5m", "train"),
}
"""Source -> its layout, and its split."""


class Extraction(Job):
    variants = tuple(LAYOUTS)

    def prepare(self, root):
        save_model(root)
        for source, (layout, _) in LAYOUTS.items():
            folder = render(root, source, views=VIEWS, layout=layout)
            if source == "mp16":
                _in_parts(folder)
            if source == "folder":
                first, second, *_ = sorted(folder.rglob("*.png"))
                first.write_bytes(b"<html>")
                second.write_bytes(second.read_bytes()[:200])

    def run(self, variant, root, out):
        _, split = LAYOUTS[variant]
        options = {"split": split, "shard_rows": SHARD_ROWS, "workers": 1}
        assert extract(variant, root / variant, encoder=str(root / "model"), out=out, **options).finished


def _in_parts(folder):
    """The tar as MP-16 has it: cut anywhere."""
    [tar] = folder.glob("*.tar")
    data = tar.read_bytes()
    for number in range(3):
        part = data[number * len(data) // 3 : (number + 1) * len(data) // 3]
        (folder / f"{tar.stem}{number:02d}").write_bytes(part)
    tar.unlink()
