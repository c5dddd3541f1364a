"""Results for people: tables for the terminal, and warnings beside them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from rich.table import Table
from rich.text import Text

from graticule.earth.notation import format_km, format_place
from graticule.prediction import Prediction, Refusal, Result
from graticule.printable import printable

__all__ = ["candidates_table", "fallback_warnings", "notices", "region_warnings", "results_table"]

UNLIKELY: Final = 0.05
"""A region of less probability deserves a warning."""


def results_table(
    results: Iterable[Result],
    *,
    model: str,
    purpose: str = "",
    errors_km: Mapping[str, float] | None = None,
    places: Mapping[str, str] | None = None,
) -> Table:
    """The table for people.

    Args:
        results: What to show, in order.
        model: Name of the model that answered.
        purpose: What the model is for, in a few words.
        errors_km: Distance from the truth by path, where it is known; adds a column.
        places: Names of the estimates' places by path; adds a column.
    """
    caption = f"Estimates by the model {model}" + (f": {purpose}" if purpose else "")
    results = list(results)
    regional = any(isinstance(r, Prediction) and r.region_probability is not None for r in results)
    table = Table(caption=caption, caption_justify="left", header_style="bold", pad_edge=False, box=None)
    table.add_column("Picture", overflow="fold")
    table.add_column("Estimate", no_wrap=True)
    if places is not None:
        table.add_column("Place", overflow="fold")
    table.add_column("90 % within", justify="right", no_wrap=True)
    table.add_column("Best cell", justify="right", no_wrap=True)
    if regional:
        table.add_column("Region", justify="right", no_wrap=True)
    if errors_km is not None:
        table.add_column("Error", justify="right", no_wrap=True)
    for result in results:
        table.add_row(*_cells(result, errors_km, places))
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


def notices(results: Iterable[Result]) -> list[str]:
    """A line for each picture of which nothing is known, and why."""
    return [
        f"{result.path}: {result.notice}"
        for result in results
        if isinstance(result, Prediction) and result.notice is not None
    ]


def _per_cent(probability: float) -> str:
    """Two figures at most, and never 0 for what is not."""
    percent = 100 * probability
    if percent >= 10:
        return f"{percent:.0f} %"
    return f"{percent:.1f} %" if percent >= 0.1 else "< 0.1 %"


def _cells(
    result: Result, errors_km: Mapping[str, float] | None, places: Mapping[str, str] | None
) -> list[Text]:
    name = Text(printable(result.path))  # Text, not str: a file may be called "[red]"
    if isinstance(result, Refusal):
        return [name, Text("refused", style="red")]
    best = f"{100 * result.candidates[0].probability:.0f} %" if result.candidates else ""
    cells = [name, _estimate(result)]
    if places is not None:
        cells.append(Text("" if result.notice else places.get(result.path, "")))
    cells += [Text(format_km(result.radius_km)), Text(best)]
    if result.region_probability is not None:
        cells.append(Text(_per_cent(result.region_probability)))
    if errors_km is not None:
        cells.append(Text(format_km(errors_km[result.path]) if result.path in errors_km else ""))
    return cells


def _estimate(result: Prediction) -> Text:
    if result.notice is not None:
        return Text("not known", style="yellow")
    place = format_place(result.latitude, result.longitude)
    if result.not_sure is None:
        return Text(place, style="bold")
    return Text(f"not sure: around {place}", style="yellow")
