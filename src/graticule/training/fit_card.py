"""The card that goes with a model of one's own photos."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from graticule.evaluation.comparison import Comparison
from graticule.evaluation.markdown import figure, method_table
from graticule.model import ModelConfig

__all__ = ["fit_card", "verdict"]

_CARD = """\
# Model card: {name}

**What it is.** {domain}: the model {base} ({base_domain}), fitted to one's own photos. Answering: {chosen}. Its
answers are estimates.

**Whom to give it to.** {privacy} Nothing was sent anywhere to make it.

**Data.** {counts}. No S2 cell of level 10 (9 km wide) and no day is in two parts.{unusable}

**Choice.** Of these, the one that finds the true places of the photos to choose by likeliest (nats per km2, the less
the better; even odds over the Earth are 20.05):

{choice}

**Results** on the photos to be judged by (± is half a 95 % bootstrap interval; distances: {distance}):

{table}

The model {base} as it is, on the same photos:

{base_table}

{verdict} The true places are worth {nats} nats per km2 to it, and {base_nats} to {base}: the less the better.

**How sure it is.** Calibrated on the photos to choose and calibrate by. Of the photos to be judged by:

{coverage}

**Limits.** The photos to be judged by are of places and days it has not seen, so its figures say how it does at such
places. Where it has seen photos of a place it does better than they say, and its circles are wider than they need be.
With {judged} photos judged, figures are as uncertain as their intervals. It knows photos like these: taken by the same
people, of the same parts of the world. Of others its answers mean little, and its circles are not to be trusted.

**Licence.** {licence} for what comes from {base}; the rest is yours.

**Settings.** `graticule fit`, with

```json
{settings}
```
"""

_HOLDS = """\
It holds the coordinates of the photos it learned from, to the metre; so does `run/`, which may be deleted.
Whoever has the folder can read them."""
_HOLDS_NOT = """\
It holds no coordinates of the photos but in `run/`, which may be deleted: the base model's gallery was kept."""


def fit_card(
    config: ModelConfig,
    *,
    base: ModelConfig,
    counts: str,
    unusable: Mapping[str, int],
    choice: Mapping[str, float],
    chosen: str,
    own_places: bool,
    judged: Mapping[str, Any],
    unfitted: Mapping[str, Any],
    difference: Comparison,
    settings: Mapping[str, Any],
) -> str:
    """The text of MODEL_CARD.md.

    Args:
        config: of the fitted model.
        base: of the model it was made from.
        counts: how many photos are in which part, in words.
        unusable: why others could not be used, and how many.
        choice: candidate -> nats per km2.
        chosen: which of them.
        own_places: whether the gallery holds places of the photos.
        judged: `Report.to_dict()` of the fitted model.
        unfitted: the same of the base.
        difference: the fitted model less the base, picture by picture.
        settings: what `fit` was told.
    """
    return _CARD.format(
        name=config.name,
        domain=config.domain[0].upper() + config.domain[1:],
        base=base.name,
        base_domain=base.domain,
        chosen=chosen,
        privacy=_HOLDS if own_places else _HOLDS_NOT,
        counts=counts[0].upper() + counts[1:],
        unusable="".join(f" {count} not used: {reason}." for reason, count in unusable.items()),
        choice="\n".join(
            ["| candidate | nats per km2 |", "|---|---:|", *(f"| {c} | {n:.2f} |" for c, n in choice.items())]
        ),
        distance=judged["distance"]["name"],
        table=method_table(judged),
        base_table=method_table(unfitted),
        verdict=verdict(difference, base.name),
        nats=_nats(judged),
        base_nats=_nats(unfitted),
        coverage=_coverage(judged["probabilities"]["calibrated"]["coverage"]),
        judged=difference.count,
        licence=base.licence,
        settings=json.dumps(settings, indent=2),
    )


def verdict(difference: Comparison, base: str) -> str:
    """Whether fitting was worth it, from paired differences in GeoScore."""
    score = difference.geoscore
    told = f"GeoScore {figure({'value': score.value, 'low': score.low, 'high': score.high}, sign='+')}"
    if not score.clear_of_zero:
        return f"On these {difference.count} photos it can't be told from {base} ({told})."
    return f"It is {'better' if score.value > 0 else 'WORSE'} than {base} ({told})."


def _nats(report: Mapping[str, Any]) -> str:
    """Under the calibration, if there is one."""
    worth = report["probabilities"]
    return figure(worth.get("calibrated", worth["raw"])["nll"], digits=2)


def _coverage(rows: Sequence[Mapping[str, Any]]) -> str:
    lines = [
        "| asked for, % | regions hold the truth, % | median area, km2 | circles hold it, % | median radius, km |",
        "|---:|---:|---:|---:|---:|",
    ]
    for row in rows:
        region, circle = (figure(row[what], scale=100) for what in ("region", "circle"))
        lines.append(
            f"| {100 * row['asked']:g} | {region} | {row['region_km2']:,.0f} | {circle} | {row['radius_km']:,.0f} |"
        )
    return "\n".join(lines)
