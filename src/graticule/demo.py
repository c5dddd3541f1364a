"""The demonstration: example pictures, located and drawn beside the truth, on one page."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from string import Template
from typing import Final, NamedTuple

import numpy as np
from rich.console import RenderableType

from graticule.data.truth import Truth, read_truth
from graticule.earth.distance import haversine_km
from graticule.earth.notation import format_km, format_place
from graticule.figures.answers import map_figure
from graticule.images.open import open_picture
from graticule.locator import Geolocator
from graticule.output import atomic_text, results_table
from graticule.prediction import Prediction, Result
from graticule.store import make_folder

__all__ = ["Demo", "run"]

_CANDIDATES: Final = 24
"""More than are listed, so that the map shows most of the probability."""


@dataclass(frozen=True)
class Demo:
    """What was made."""

    table: RenderableType
    page: Path


class _Shown(NamedTuple):
    """One picture on the page."""

    result: Result
    truth: Truth
    image: str
    error_km: float


def run(
    examples: Path,
    out: Path,
    *,
    model: str = "orbit",
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Demo:
    """Locate the pictures of `examples/truth.csv`; draw a map of each, and index.html, into `out`.

    Args:
        examples: Folder of truth.csv; its paths start there, or in the folder `pictures` beside it.
        out: Folder for the page; made if need be, files of an earlier run are replaced.
        model: Name or folder.
        progress: Told (done, total).

    Raises:
        TableError: If truth.csv can't be read.
        ModelNotFoundError: If there is no such model.
        MissingExtraError: If matplotlib is not installed.
    """
    truths = read_truth(examples / "truth.csv")
    if not any(truth.path.exists() for truth in truths):
        truths = read_truth(examples / "truth.csv", examples / "pictures")
    geolocator = Geolocator.load(model)
    make_folder(out)
    results = geolocator.locate([truth.path for truth in truths], top_k=_CANDIDATES)
    shown = []
    for number, (result, truth) in enumerate(zip(results, truths, strict=True)):
        shown.append(_draw(result, truth, out / f"map-{number:03d}.png", geolocator.purpose))
        progress(len(shown), len(truths))
    page = out / "index.html"
    with atomic_text(page) as stream:
        stream.write(_page(shown, geolocator.name, geolocator.purpose))
    errors = {item.result.path: item.error_km for item in shown if isinstance(item.result, Prediction)}
    table = results_table(
        [item.result for item in shown], model=geolocator.name, purpose=geolocator.purpose, errors_km=errors
    )
    return Demo(table, page)


def _draw(result: Result, truth: Truth, image: Path, purpose: str) -> _Shown:
    if not isinstance(result, Prediction):
        return _Shown(result, truth, "", float("nan"))
    place = truth.latitude, truth.longitude
    figure = map_figure(open_picture(truth.path), result, truth=place, purpose=purpose)
    figure.savefig(image)
    return _Shown(result, truth, image.name, float(haversine_km(result.latitude, result.longitude, *place)))


def _page(shown: Sequence[_Shown], model: str, purpose: str) -> str:
    answered = [item for item in shown if isinstance(item.result, Prediction)]
    errors = np.array([item.error_km for item in answered])
    held = sum(
        item.error_km <= item.result.radius_km for item in answered if isinstance(item.result, Prediction)
    )
    facts = f"{len(answered)} of {len(shown)} pictures answered."
    if answered:
        facts += (
            f" Half of the estimates lie within {format_km(float(np.median(errors)))} of the truth, "
            f"{int((errors <= 200).sum())} of {len(answered)} within 200 km; "
            f"{held} of {len(answered)} truths lie inside the circle that should hold 90 %."
        )
    cards = "\n".join(_card(item) for item in shown)
    return _PAGE.substitute(model=escape(model), purpose=escape(purpose), facts=escape(facts), cards=cards)


def _card(item: _Shown) -> str:
    name = escape(item.truth.path.name)
    truth = format_place(item.truth.latitude, item.truth.longitude)
    if not isinstance(item.result, Prediction):
        reason = escape(str(item.result.error).removeprefix(f"{item.truth.path}: "))
        return f"<figure><figcaption><b>{name}</b><span>refused</span>{reason}</figcaption></figure>"
    estimate = format_place(item.result.latitude, item.result.longitude)
    radius, off = format_km(item.result.radius_km), format_km(item.error_km)
    alt = (
        f"Map for {name}: estimate {estimate}, 90 % of the probability within {radius}; "
        f"truth {truth}, {off} from the estimate."
    )
    image = escape(item.image)
    return (
        f'<figure><a href="{image}"><img src="{image}" alt="{alt}" width="1600" height="800" loading="lazy"></a>'
        f"<figcaption><b>{name}</b><span>{off} off</span>"
        f'<span class="estimate">Estimate {estimate}, 90 % within {radius}</span>'
        f'<span class="truth">Truth {truth}</span></figcaption></figure>'
    )


_PAGE: Final = Template("""\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Graticule: where were these pictures taken?</title>
<style>
:root { color-scheme: light dark; --paper: #f6f7f9; --card: #fff; --ink: #16202f; --soft: #56627a;
  --line: #d9dee7; --estimate: #8a5a00; --truth: #0b6298; }
@media (prefers-color-scheme: dark) { :root { --paper: #070c16; --card: #0b1220; --ink: #eef2f8;
  --soft: #93a1b8; --line: #1b2a43; --estimate: #ffb000; --truth: #56b4e9; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 1rem/1.55 system-ui, sans-serif; }
header, main, footer { max-width: 1720px; margin: 0 auto; padding: 0 clamp(1rem, 3vw, 2.5rem); }
header { padding-top: 2.5rem; }
h1 { margin: 0 0 .5rem; font-size: clamp(1.5rem, 3vw, 2.2rem); line-height: 1.2; }
p { max-width: 72ch; margin: .4rem 0; }
.soft, footer { color: var(--soft); }
main { display: grid; gap: 1.5rem; align-items: start; padding-block: 2rem;
  grid-template-columns: repeat(auto-fill, minmax(min(100%, 620px), 1fr)); }
figure { margin: 0; background: var(--card); border: 1px solid var(--line); border-radius: 10px;
  overflow: hidden; }
img { display: block; width: 100%; height: auto; }
figcaption { display: grid; grid-template-columns: 1fr auto; gap: .2rem 1.2rem; padding: .8rem 1rem; }
figcaption b { overflow-wrap: anywhere; }
figcaption span:nth-of-type(odd) { text-align: right; font-variant-numeric: tabular-nums; }
.estimate { color: var(--estimate); }
.truth { color: var(--truth); }
figcaption .estimate { text-align: left; }
figcaption .truth { text-align: right; }
a:focus-visible { outline: 3px solid var(--truth); outline-offset: -3px; }
footer { padding-bottom: 3rem; }
</style>
</head>
<body>
<header>
<h1>Where were these pictures taken, and how sure are we?</h1>
<p>$facts</p>
<p class="soft">Model $model: $purpose</p>
</header>
<main>
$cards
</main>
<footer>
<p>Every answer is an <b>estimate</b>. The light on a map is the probability the model gives, the dashed circle
is meant to hold 90 % of it, the ring is the estimate, and the blue dot the truth, which the model was not told.</p>
<p>A model can be sure and wrong, most of all on pictures unlike those it learnt from: another season, clouds,
another sensor, a street. A dozen pictures show what an answer looks like, not how good the model is; the
evaluation over thousands of pictures does. Don't act on one estimate where it could harm someone.</p>
<p>Outlines: Natural Earth. Imagery: NASA Blue Marble. Both in the public domain.</p>
</footer>
</body>
</html>
""")
