"""Which traversal finds the better candidates, and which selector the better answer among them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from graticule.decoding.beam import beam
from graticule.decoding.candidates import Candidates
from graticule.decoding.greedy import greedy
from graticule.decoding.sample import sample, sample_distinct
from graticule.decoding.select import Selector
from graticule.decoding.select.fusion import Fusion, fit_weights
from graticule.earth.distance import haversine_km
from graticule.evaluation.comparison import paired_difference
from graticule.evaluation.markdown import figure
from graticule.evaluation.metrics import geoscore, summarise
from graticule.model import Model

__all__ = ["ORACLE", "TRAVERSALS", "Pool", "compare", "fit_fusion", "pool", "selection_table"]

BASE: Final = "log-probability"
ORACLE: Final = "oracle (upper bound)"
"""The candidate nearest to the truth. It reads the truth, so it is no selector, and nothing can choose better."""
_BATCH = 256
_TEMPERATURE = 0.7

Traversal = Callable[..., Candidates]
"""(model, query, keys=) -> candidates; keys tell the pictures apart for those that draw."""


def _without_keys(search: Traversal, *given: Any, keys: Tensor, **settings: Any) -> Candidates:
    return search(*given, **settings)


TRAVERSALS: Final[Mapping[str, Traversal]] = {
    "greedy": partial(_without_keys, greedy),
    **{f"beam {width}": partial(_without_keys, beam, width=width) for width in (5, 10, 30)},
    **{
        f"{count} samples": partial(sample, count=count, seed=0, temperature=_TEMPERATURE)
        for count in (10, 30)
    },
    **{
        f"{count} different samples": partial(sample_distinct, count=count, seed=0, temperature=_TEMPERATURE)
        for count in (10, 30)
    },
}


@dataclass(frozen=True)
class Pool:
    """Candidates of B pictures with known places, and what selectors say of them.

    Attributes:
        km: (B, W) from the truth; infinite for candidates that are no answers.
        scores: selector -> (B, W).
    """

    km: NDArray[np.float64]
    scores: Mapping[str, Tensor]

    def chosen_km(self, selector: str) -> NDArray[np.float64]:
        """How far off the selector's choices are: (B,)."""
        best = self.scores[selector].argmax(1).cpu().numpy()
        return np.asarray(self.km[np.arange(len(self.km)), best])

    def nearest_km(self) -> NDArray[np.float64]:
        """How far off the oracle's are: (B,)."""
        return np.asarray(self.km.min(1))

    def with_fusion(self, fusion: Fusion) -> Pool:
        """The same with the scores of `fusion`, which weighs those that are here."""
        return replace(self, scores={**self.scores, "fusion": fusion.total(self.scores)})


@torch.no_grad()
def pool(
    model: Model,
    features: Tensor,
    lat_lon: NDArray[np.float64],
    *,
    traversal: Traversal,
    selectors: Mapping[str, Selector],
) -> Pool:
    """Candidates of every picture, scored by every selector.

    Args:
        model: its cell model is searched.
        features: (B, F) encoder features.
        lat_lon: (B, 2) degrees, the truth.
        traversal: how it is searched.
        selectors: by name.
    """
    scheme = model.cell_model.scheme
    km: list[NDArray[np.float64]] = []
    scores: dict[str, list[Tensor]] = {name: [] for name in selectors}
    for rows in torch.split(torch.arange(len(features)), _BATCH):
        query = model.query_of_features(features[rows])
        found = traversal(model.cell_model, query, keys=rows)
        points = found.lat_lon(scheme).numpy()
        lat, lon = lat_lon[rows.numpy()].T[..., None]
        far = haversine_km(lat, lon, points[..., 0], points[..., 1])
        km.append(np.where(found.log_probs.isfinite().cpu().numpy(), far, np.inf))
        for name, selector in selectors.items():
            scores[name].append(selector(query, found, scheme))
    # Samples of one batch may have fewer different places than those of another.
    width = max(part.shape[1] for part in km)
    return Pool(
        np.concatenate([np.pad(k, ((0, 0), (0, width - k.shape[1])), constant_values=np.inf) for k in km]),
        {name: torch.cat([_padded(part, width) for part in parts]) for name, parts in scores.items()},
    )


def _padded(scores: Tensor, width: int) -> Tensor:
    return torch.nn.functional.pad(scores, (0, width - scores.shape[1]), value=-torch.inf)


def fit_fusion(found: Pool, *, model: str, fitted_on: str) -> Fusion:
    """The weights of all the pool's selectors under which a soft choice has the highest mean GeoScore.

    Args:
        found: of validation pictures.
        model: its name.
        fitted_on: which pictures and candidates, in words.
    """
    weights = fit_weights(found.scores, torch.from_numpy(geoscore(found.km)))
    return Fusion(model=model, fitted_on=fitted_on, pictures=len(found.km), weights=weights)


def compare(
    pools: Mapping[str, Pool], answers: Mapping[str, NDArray[np.float64]] | None = None
) -> list[dict[str, Any]]:
    """Every traversal with every selector, on the same pictures.

    Args:
        pools: traversal -> its pool; "greedy" among them, and in each the selector "log-probability".
        answers: what else answers the same pictures -> how far off (B,) km; these rows come last.

    Returns:
        Rows: `traversal`, `selector`, whether it is an `upper_bound` that reads the truth, `summary` with intervals,
        and paired differences `less_greedy` and `less_log_probability` (of the same traversal, None for `answers`).
        Greedy has one candidate, so there is nothing to select.
    """
    greedily = pools["greedy"].chosen_km(BASE)
    rows = []
    for traversal, found in pools.items():
        base = found.chosen_km(BASE)
        chosen = {BASE: base}
        if traversal != "greedy":
            chosen |= {name: found.chosen_km(name) for name in found.scores}
            chosen[ORACLE] = found.nearest_km()
        rows += [
            {
                "traversal": traversal,
                "selector": name,
                "upper_bound": name == ORACLE,
                "summary": asdict(summarise(km)),
                "less_greedy": asdict(paired_difference(km, greedily)),
                "less_log_probability": asdict(paired_difference(km, base)),
            }
            for name, km in chosen.items()
        ]
    return rows + [
        {
            "traversal": name,
            "selector": "least expected loss",
            "upper_bound": False,
            "summary": asdict(summarise(km)),
            "less_greedy": asdict(paired_difference(km, greedily)),
            "less_log_probability": None,
        }
        for name, km in (answers or {}).items()
    ]


def selection_table(rows: list[dict[str, Any]]) -> str:
    """The rows of `compare`, or the same read from JSON, as Markdown."""
    headings = ("< 25 km, %", "< 50 km, %", "median km", "GeoScore", "less greedy", "less log-probability")
    lines = [f"| traversal | selector | {' | '.join(headings)} |", "|---|---|" + "---:|" * len(headings)]
    for row in rows:
        # Read from JSON, thresholds are texts.
        within = {float(threshold): share for threshold, share in row["summary"]["within"].items()}
        cells = [
            row["traversal"],
            f"*{row['selector']}*" if row["upper_bound"] else row["selector"],
            *(figure(within[threshold], scale=100, digits=1) for threshold in (25.0, 50.0)),
            figure(row["summary"]["median_km"], digits=1),
            figure(row["summary"]["geoscore"]),
            *(
                _difference(row[key]["geoscore"]) if row[key] else ""
                for key in ("less_greedy", "less_log_probability")
            ),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _difference(estimate: Mapping[str, float]) -> str:
    """A difference, with a star where its interval is clear of zero."""
    star = "\\*" if estimate["low"] > 0 or estimate["high"] < 0 else ""
    return figure(estimate, digits=1, sign="+") + star
