"""Results on their way out: JSON lines, CSV, GeoJSON, tables for people; files appear whole or not at all."""

from __future__ import annotations

import csv
import errno
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, TextIO

from rich.table import Table
from rich.text import Text

from graticule.earth.notation import format_km, format_place
from graticule.errors import InputError
from graticule.prediction import NotSure, Prediction, Refusal, Result, Selection
from graticule.prediction.plain import feature, to_dict

__all__ = [
    "WRITERS",
    "atomic_text",
    "candidates_table",
    "fallback_warnings",
    "format_km",
    "format_place",
    "region_warnings",
    "results_table",
    "to_dict",
    "to_jsonl",
    "write_csv",
    "write_geojson",
    "write_jsonl",
]

CSV_COLUMNS: Final = (
    "path",
    "latitude",
    "longitude",
    "radius_km",
    "probability",
    "cell",
    "model",
    "region_probability",
    "selection",
    "not_sure",
    "error_type",
    "error",
)

UNLIKELY: Final = 0.05
"""A region of less probability deserves a warning."""
_FULL: Final = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def to_jsonl(result: Result) -> str:
    """A result as one line of JSON, without the line's end."""
    return json.dumps(to_dict(result), ensure_ascii=False, allow_nan=False)


def write_jsonl(results: Iterable[Result], stream: TextIO) -> None:
    """One JSON object a line; each is flushed, so a reader follows along."""
    for result in results:
        stream.write(to_jsonl(result) + "\n")
        stream.flush()


def write_csv(results: Iterable[Result], stream: TextIO) -> None:
    """One row a picture, with its best candidate; a refused one fills the error columns instead."""
    table = csv.DictWriter(stream, CSV_COLUMNS, restval="", lineterminator="\n")
    table.writeheader()
    for result in results:
        table.writerow(_csv_row(result))


def write_geojson(results: Iterable[Result], stream: TextIO) -> None:
    """One FeatureCollection (RFC 7946): a point a picture; one refused or not sure is a feature without a place."""
    features = [feature(result) for result in results]
    json.dump(
        {"type": "FeatureCollection", "features": features}, stream, ensure_ascii=False, allow_nan=False
    )
    stream.write("\n")


WRITERS: Final[Mapping[str, Callable[[Iterable[Result], TextIO], None]]] = {
    "jsonl": write_jsonl,
    "csv": write_csv,
    "geojson": write_geojson,
}
"""The formats for machines, by the name the command line gives them."""


def results_table(
    results: Iterable[Result],
    *,
    model: str,
    purpose: str = "",
    errors_km: Mapping[str, float] | None = None,
) -> Table:
    """The table for people.

    Args:
        results: What to show, in order.
        model: Name of the model that answered.
        purpose: What the model is for, in a few words.
        errors_km: Distance from the truth by path, where it is known; adds a column.
    """
    caption = f"Estimates by the model {model}" + (f": {purpose}" if purpose else "")
    results = list(results)
    regional = any(isinstance(r, Prediction) and r.region_probability is not None for r in results)
    table = Table(caption=caption, caption_justify="left", header_style="bold", pad_edge=False, box=None)
    table.add_column("Picture", overflow="fold")
    table.add_column("Estimate", no_wrap=True)
    table.add_column("90 % within", justify="right", no_wrap=True)
    table.add_column("Best cell", justify="right", no_wrap=True)
    if regional:
        table.add_column("Region", justify="right", no_wrap=True)
    if errors_km is not None:
        table.add_column("Error", justify="right", no_wrap=True)
    for result in results:
        table.add_row(*_cells(result, errors_km))
    return table


def candidates_table(prediction: Prediction) -> Table:
    """The candidates of one picture for people, best first."""
    table = Table(title="Candidates", title_justify="left", header_style="bold", pad_edge=False, box=None)
    table.add_column("", justify="right")
    table.add_column("Place", no_wrap=True)
    table.add_column("Probability", justify="right")
    table.add_column("Cell")
    for rank, candidate in enumerate(prediction.candidates, start=1):
        place = format_place(candidate.latitude, candidate.longitude)
        table.add_row(str(rank), place, f"{100 * candidate.probability:.1f} %", candidate.cell)
    return table


def region_warnings(results: Iterable[Result]) -> list[str]:
    """A line for each answer that the model would have looked for elsewhere."""
    return [
        f"{result.path}: the model gives this region only {_per_cent(result.region_probability)}"
        for result in results
        if isinstance(result, Prediction)
        and result.region_probability is not None
        and result.region_probability < UNLIKELY
    ]


def fallback_warnings(results: Iterable[Result]) -> list[str]:
    """A line for each answer that its selector did not give, and that is the model's own instead."""
    return [
        f"{result.path}: the model's own answer, {result.selection.by} gave none: {result.selection.fallback}"
        for result in results
        if isinstance(result, Prediction)
        and result.selection is not None
        and result.selection.fallback is not None
    ]


def _per_cent(probability: float) -> str:
    """Two figures at most, and never 0 for what is not."""
    percent = 100 * probability
    if percent >= 10:
        return f"{percent:.0f} %"
    return f"{percent:.1f} %" if percent >= 0.1 else "< 0.1 %"


@contextmanager
def atomic_text(path: Path) -> Iterator[TextIO]:
    """A text file that is there whole once the block ends, and as before if it fails.

    Pipes and devices (`/dev/stdout`) can't be replaced; they are written to as they are.

    Raises:
        InputError: If `path` is a folder, or can't be written.
    """
    target = Path(os.path.realpath(path))  # replacing a link would cut it off from its file
    if target.is_dir():
        raise InputError(f"{path}: is a folder. Give the name of a file in it.")
    plain = not target.exists() or target.is_file()
    written = target.with_name(f".{target.name}.{os.getpid()}.tmp") if plain else target
    try:
        # Names that are no valid text become JSON escapes instead of an error at the last line.
        stream = written.open("w", encoding="utf-8", errors="backslashreplace", newline="")
    except OSError as error:
        raise InputError(f"{path}: can't be written ({error.strerror}). Check its folder.") from error
    try:
        with stream:
            yield stream
            stream.flush()
            if plain:
                os.fsync(stream.fileno())
        if plain:
            written.replace(target)
    except OSError as error:
        if error.errno not in _FULL:
            raise
        raise InputError(
            f"{path}: not written, the disk is full. What was there before is untouched."
        ) from error
    finally:
        if plain:
            written.unlink(missing_ok=True)


def _csv_row(result: Result) -> dict[str, Any]:
    if isinstance(result, Refusal):
        return {"path": result.path, "error_type": type(result.error).__name__, "error": str(result.error)}
    row = {name: value for name, value in to_dict(result).items() if name != "candidates"}
    if result.selection is not None:
        row["selection"] = _selection(result.selection)
    if result.not_sure is not None:
        # No column that could be taken for a place.
        return row | {"not_sure": _not_sure(result, result.not_sure)}
    if result.candidates:
        row |= {"probability": result.candidates[0].probability, "cell": result.candidates[0].cell}
    return row


def _selection(selection: Selection) -> str:
    return selection.by if selection.fallback is None else f"{selection.by}, fell back: {selection.fallback}"


def _not_sure(result: Prediction, doubt: NotSure) -> str:
    """The doubt in words: how sure, and the circle that is the answer instead."""
    place = format_place(result.latitude, result.longitude)
    return (
        f"{100 * doubt.probability:.0f} % within {format_km(doubt.within_km)}, "
        f"90 % within {format_km(result.radius_km)} of {place}"
    )


def _cells(result: Result, errors_km: Mapping[str, float] | None) -> list[Text]:
    name = Text(result.path)  # Text, not str: a file may be called "[red]"
    if isinstance(result, Refusal):
        return [name, Text("refused", style="red")]
    best = f"{100 * result.candidates[0].probability:.0f} %" if result.candidates else ""
    cells = [
        name,
        _estimate(result),
        Text(format_km(result.radius_km)),
        Text(best),
    ]
    if result.region_probability is not None:
        cells.append(Text(_per_cent(result.region_probability)))
    if errors_km is not None:
        cells.append(Text(format_km(errors_km[result.path]) if result.path in errors_km else ""))
    return cells


def _estimate(result: Prediction) -> Text:
    place = format_place(result.latitude, result.longitude)
    if result.not_sure is None:
        return Text(place, style="bold")
    return Text(f"not sure: around {place}", style="yellow")
