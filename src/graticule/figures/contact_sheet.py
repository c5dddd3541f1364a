"""A contact sheet of a batch: what each picture looks like, and where it is estimated to be from.

Pages hold 200 pictures each, a few megabytes, and link to one another.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from html import escape
from itertools import islice
from pathlib import Path
from typing import Final
from urllib.parse import quote

import numpy as np

from graticule.earth.notation import format_km
from graticule.errors import PictureError
from graticule.figures.error_map import CLASSES_KM, error_map
from graticule.figures.page import page, thumbnail
from graticule.images.address import is_address
from graticule.images.open import open_picture
from graticule.output import atomic_text
from graticule.output.files import sweep_for
from graticule.output.record import Record, estimate_words, place_words, reason

__all__ = ["PAGE", "write_contact_sheet"]

PAGE: Final = 200
"""Pictures a page."""
_FOOTER: Final = (
    "Made by Graticule. Estimates are leads to check. Outlines: Natural Earth; towns: GeoNames, CC BY 4.0."
)
_SHORTEST: Final = 352
"""Pixels that a picture is opened with, at least: twice what is shown."""


def write_contact_sheet(
    records: Iterable[Record],
    path: Path,
    *,
    total: int,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> list[Path]:
    """Write the pages of a contact sheet: `path`, then beside it `NAME-2.html` and so on.

    Args:
        records: what `graticule.output` writes, in order; the pictures are where they say.
        path: of the first page.
        total: how many records there are.
        progress: told (done, total).

    Returns:
        The pages.

    Raises:
        InputError: a page can't be written.
    """
    names = [
        path.with_name(f"{path.stem}-{number}{path.suffix}") if number > 1 else path
        for number in range(1, max(-(-total // PAGE), 1) + 1)
    ]
    waiting, done = iter(records), 0
    for number, name in enumerate(names):
        shown = list(islice(waiting, PAGE))
        sweep_for(name)
        with atomic_text(name) as stream:
            stream.write(_page(shown, names, number, total))
        done += len(shown)
        progress(done, total)
    return names


def _page(records: Sequence[Record], names: Sequence[Path], number: int, total: int) -> str:
    first = number * PAGE + 1
    title = "Where were these pictures taken?"
    shown = f"Pictures {first:,} to {first + len(records) - 1:,} of {total:,}." if records else "No pictures."
    body = [
        f"<header><h1>{title}</h1><p>{shown} Answers are estimates: each comes with the circle that should hold nine "
        f"tenths of its probability.</p>{_links(names, number)}</header>",
        f"<section>{_map(records)}</section>",
        f'<section><h3>Pictures</h3><div class="sheet">{"".join(_cards(records))}</div></section>',
        f"<section>{_links(names, number)}</section>",
    ]
    return page(title, body, footer=_FOOTER)


def _links(names: Sequence[Path], number: int) -> str:
    """To the other pages, which lie in the same folder."""
    if len(names) == 1:
        return ""
    links = (
        f"<b>{place + 1}</b>" if place == number else f'<a href="{escape(quote(name.name))}">{place + 1}</a>'
        for place, name in enumerate(names)
    )
    return f"<nav><p>Page {' '.join(links)}</p></nav>"


def _map(records: Sequence[Record]) -> str:
    """A dot for each estimate, coloured by the size of its circle."""
    sure = [record for record in records if "latitude" in record and "notice" not in record]
    if not sure:
        return ""
    places = np.array([(record["latitude"], record["longitude"]) for record in sure])
    radii = np.array([record["radius_km"] for record in sure])
    words = [f"90 % within {CLASSES_KM[0]:g} km", *(f"{edge:g} km" for edge in CLASSES_KM[1:]), "more"]
    key = "".join(f'<li class="e{group}">{escape(word)}</li>' for group, word in enumerate(words))
    drawn = error_map(
        places, radii, label="World map: a dot for each estimate, coloured by the size of its circle"
    )
    return f'{drawn}<ul class="key">{key}</ul>'


def _cards(records: Sequence[Record]) -> Iterable[str]:
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1), "graticule-thumbnail") as pool:
        yield from pool.map(_card, records)


def _card(record: Record) -> str:
    name = str(record["path"]).replace("\\", "/").rpartition("/")[2]
    if "error" in record:
        told = ["<b>Refused</b>", f"<span>{escape(reason(record))}</span>"]
    elif "notice" in record:
        told = ["<b>Nothing known</b>", f"<span>{escape(record['notice'])}</span>"]
    elif "not_sure" in record:
        told = ["<b>Not sure</b>", f"<span>{escape(estimate_words(record))}</span>"]
    else:
        where, _, _ = estimate_words(record).rpartition(", ")
        told = [
            f"<b>{escape(place_words(record) or where)}</b>",
            f"<span>{escape(where)}</span>" if place_words(record) else "",
            f"<span>90 % within {format_km(record['radius_km'])}</span>",
        ]
    return (
        f'<figure title="{escape(_shown(record["path"]))}">{_picture(record)}<figcaption>{"".join(told)}'
        f'<span class="name">{escape(_shown(name))}</span></figcaption></figure>'
    )


def _picture(record: Record) -> str:
    """A small copy inside the page, or words where there is none to be had."""
    if "error" not in record:
        if is_address(record["path"]):
            return '<div class="gone">was fetched, and is not kept</div>'
        try:
            return thumbnail(open_picture(Path(record["path"]), shortest=_SHORTEST).convert("RGB"))
        except (PictureError, OSError):
            pass
    return '<div class="gone">can\'t be shown</div>'


def _shown(name: str) -> str:
    return name.encode("utf-8", "backslashreplace").decode()
