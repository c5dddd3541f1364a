"""Write the documents' results from the files in benchmarks/results/, so that no figure is typed by hand.

python tools/results.py           # rewrites the sections between the markers
python tools/results.py --check   # fails if a section is not what the files say
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

from sections import cost, doubt, fuzzing, quality, reliability

ROOT = Path(__file__).parents[1]

SECTIONS: list[tuple[str, str, Callable[[], list[str]]]] = [
    ("README.md", "results", quality.headline),
    ("docs/results.md", "accuracy", quality.accuracy),
    ("docs/results.md", "elsewhere", quality.elsewhere),
    ("docs/results.md", "pace", cost.pace),
    ("docs/semivariograms.md", "policies", quality.policies),
    ("docs/semivariograms.md", "costs", cost.variogram_costs),
    ("docs/uncertainty.md", "no-signal", doubt.no_signal),
    ("docs/uncertainty.md", "shift", quality.shifted_coverage),
    ("docs/speed.md", "road", cost.road),
    ("docs/speed.md", "precision", cost.precision),
    ("docs/index-at-size.md", "index", cost.index),
    ("docs/extract.md", "extract", cost.extraction),
    ("docs/reproducing.md", "training", cost.training),
    ("docs/service.md", "serving", cost.serving),
    ("docs/service.md", "soak", cost.soak),
    ("docs/map.md", "page", cost.page),
    ("docs/places.md", "places", cost.places),
    ("docs/reliability.md", "faults", reliability.faults),
    ("docs/reliability.md", "crashes", reliability.crashes),
    ("docs/reliability.md", "soak", cost.soak),
    ("docs/reliability.md", "fuzz", fuzzing.tried),
    ("docs/fuzzing.md", "fuzz", fuzzing.tried),
    ("docs/fuzzing.md", "found", fuzzing.found),
]
"""Document, marker, and what stands between `<!-- marker -->` and `<!-- /marker -->`."""


def main() -> None:
    """Rewrite or check."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--check", action="store_true")
    check = parser.parse_args().check
    for document, marker, lines in SECTIONS:
        path = ROOT / document
        text = path.read_text()
        begin, end = f"<!-- {marker} -->", f"<!-- /{marker} -->"
        before, rest = text.split(begin, 1)
        new = before + "\n".join([begin, *lines(), end]) + rest.split(end, 1)[1]
        if check and new != text:
            raise SystemExit(
                f"{document}: its {marker} are not what benchmarks/results says; run tools/results.py"
            )
        if not check:
            path.write_text(new)


if __name__ == "__main__":
    main()
