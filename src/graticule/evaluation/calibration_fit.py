"""Teaching a model's probabilities to keep their word.

It takes pictures with known places, like those that will be asked about and unlike those the model was trained on: one
half for the temperatures, the other for regions and circles. What comes out is a
`graticule.decoding.calibration.Calibration`. Whether it keeps its word is judged on other pictures again, by
`graticule.evaluation.calibration`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from graticule.alignment.contract import ImageLocationAlignment
from graticule.decoding.blend import Blend, Evidence, evidence
from graticule.decoding.calibration import STEPS, Calibration
from graticule.earth.density import Density
from graticule.evaluation.calibration import Outcomes, check_places, in_batches, nats_per_km2, observe
from graticule.tokens.contract import CellModel, StateT
from graticule.tokens.query import Query

__all__ = [
    "conformal",
    "conformal_quantile",
    "fit",
    "fit_blend",
    "fit_temperature",
    "fit_temperatures",
    "true_token_log_probs",
]

_NOMINAL = np.arange(1, STEPS + 1) / (STEPS + 1)
_COLDEST, _HOTTEST = 0.05, 20.0
_LEVELS = 3
"""How many of the finest levels are tried as the coarsest that a blend compares."""
_COMPARED = 64
"""Cells of a picture that the alignment is asked about: more cost time, and bring little."""


def fit(
    model: CellModel[StateT],
    query: Query,
    *,
    lat_lon: NDArray[np.float64],
    name: str,
    fitted_on: str,
    alignment: ImageLocationAlignment | None = None,
    mass: float = 0.95,
    width: int = 8,
) -> Calibration:
    """Learn to keep one's word, from pictures with known places.

    Every other picture fits the temperatures and the blend; of these, what lowers the negative log-likelihood of the
    true places is kept. The rest fit regions and circles under them: had they been fitted on the same pictures,
    regions would be a little too small.

    Args:
        model: Any cell model, in eval mode if it has one.
        query: N pictures, in no order that matters, not those the model was trained on.
        lat_lon: Where they were taken, in degrees (N, 2).
        name: Of the model, for the record.
        fitted_on: The pictures in words, for the record.
        alignment: The one that made the query; without it there is no blend.
        mass: Setting of `density`.
        width: Setting of `density`.

    Raises:
        InputError: There are fewer than two pictures, or places for another number of them.
    """
    check_places(query, lat_lon, least=2)
    even, odd = slice(0, None, 2), slice(1, None, 2)
    raw = Calibration.none(model, mass=mass, width=width)
    temperatures = fit_temperatures(model, query[even], lat_lon=lat_lon[even])
    versions = [raw, raw.model_copy(update={"temperatures": temperatures})]
    likelier = [
        _with_blend(version, model, query[even], alignment, lat_lon=lat_lon[even]) for version in versions
    ]
    sharpened, _ = min(likelier, key=lambda version: version[1])
    seen = observe(sharpened, model, query[odd], lat_lon=lat_lon[odd], alignment=alignment)
    about = {"model": name, "fitted_on": fitted_on, "pictures": len(lat_lon)}
    return sharpened.model_copy(update={**about, **conformal(seen)})


def conformal(seen: Outcomes) -> dict[str, Any]:
    """The sizes of regions and circles that held the truth in 1, 2, ... 99 % of pictures: fields of `Calibration`.

    Args:
        seen: Of pictures on which nothing else was fitted, under the calibration that is to get them.
    """
    regions = [conformal_quantile(seen.before, nominal) for nominal in _NOMINAL]
    circles = [
        conformal_quantile(seen.distance_km / radius, nominal)
        for radius, nominal in zip(seen.radius_km.T, _NOMINAL, strict=True)
    ]
    return {
        # A hair more: the cell, or the distance, that the quantile is must be inside.
        "regions": tuple(min(1.0, mass + 1e-9) for mass in regions),
        "circles": tuple(factor * (1 + 1e-9) if math.isfinite(factor) else None for factor in circles),
    }


def fit_temperatures(
    model: CellModel[StateT], query: Query, *, lat_lon: NDArray[np.float64]
) -> tuple[float, ...]:
    """The temperature of each token at which the true tokens are likeliest.

    Args:
        model: Any cell model.
        query: N pictures.
        lat_lon: Where they were taken, in degrees (N, 2).
    """
    steps = true_token_log_probs(model, query, lat_lon=lat_lon)
    return tuple(fit_temperature(log_probs, token) for log_probs, token in steps)


def true_token_log_probs(
    model: CellModel[StateT], query: Query, *, lat_lon: NDArray[np.float64]
) -> list[tuple[Tensor, Tensor]]:
    """What the model says of each token when the tokens before it are the true ones.

    Returns:
        For each token, log-probabilities `(N, V_t)` float64 and the true token `(N,)` int64.
    """
    truth = torch.from_numpy(model.scheme.encode(lat_lon[:, 0], lat_lon[:, 1]))
    said: list[list[Tensor]] = [[] for _ in model.scheme.levels]
    for part in in_batches(len(lat_lon)):
        state = model.begin(query[part])
        for step, answers in enumerate(said):
            answers.append(model.next_log_probs(state)[:, 0].cpu().double())
            token = truth[part, step : step + 1]
            if step + 1 < len(said):
                state = model.advance(state, torch.zeros_like(token), token)
    return [(torch.cat(answers), truth[:, step]) for step, answers in enumerate(said)]


def fit_temperature(log_probs: Tensor, tokens: Tensor) -> float:
    """The temperature at which given tokens are likeliest.

    With b = 1 / temperature, the mean negative log-likelihood is convex in b, and its slope

        mean(E_b[z] - z_true),  z = log_probs,  E_b the expectation under softmax(b z)

    grows with b: the root is found by bisection, between temperatures of 0.05 and 20.

    Args:
        log_probs: `(N, V)`. Pictures whose true token is impossible are left out: no temperature helps them.
        tokens: `(N,)` int64, the true ones.

    Returns:
        1 where no picture's true token is possible.
    """
    true = log_probs.gather(1, tokens[:, None])
    possible = true[:, 0] > -torch.inf
    if not possible.any():
        return 1.0
    z, true = log_probs[possible], true[possible]
    finite = z.nan_to_num(neginf=0.0)
    cold, hot = math.log(_COLDEST), math.log(_HOTTEST)
    for _ in range(50):
        middle = (cold + hot) / 2
        expected = ((z * math.exp(-middle)).softmax(1) * finite).sum(1, keepdim=True)
        if (expected - true).sum() > 0:
            cold = middle
        else:
            hot = middle
    return math.exp((cold + hot) / 2)


def _with_blend(
    calibration: Calibration,
    model: CellModel[StateT],
    query: Query,
    alignment: ImageLocationAlignment | None,
    *,
    lat_lon: NDArray[np.float64],
) -> tuple[Calibration, float]:
    """A calibration with the blend that serves it best, if any does; and its mean negative log-likelihood."""
    parts = in_batches(len(lat_lon))
    found = [(calibration.density(model, query[part]), query[part], lat_lon[part]) for part in parts]
    choices = [
        (calibration, float(np.mean(np.concatenate([nats_per_km2(cells, at) for cells, _, at in found]))))
    ]
    for level in model.scheme.levels[-_LEVELS:] if alignment is not None else ():
        fitted = fit_blend(found, alignment, coarsest_level=level)  # type: ignore[arg-type]
        if fitted is not None:
            choices.append((calibration.model_copy(update={"blend": fitted[0]}), fitted[1]))
    return min(choices, key=lambda choice: choice[1])


def fit_blend(
    found: Sequence[tuple[Density, Query, NDArray[np.float64]]],
    alignment: ImageLocationAlignment,
    *,
    coarsest_level: int,
) -> tuple[Blend, float] | None:
    """The weights of cell model and alignment under which the true places are likeliest.

    They are fitted on the pictures whose true cell is among those compared; its negative log-share is convex in the
    weights.

    Args:
        found: Batches: densities of the cell model, their queries, and the true places (B, 2) in degrees.
        alignment: The one that made the queries.
        coarsest_level: Cells of this level and finer ones are compared.

    Returns:
        The blend, and the mean negative log-likelihood of all true places with it, in nats per km2. None if no true
        cell is among those compared, or the alignment has nothing to add.
    """
    batches: list[tuple[Evidence, Tensor, Tensor]] = []
    nats, log_before = [], []
    for cells, query, places in found:
        seen = evidence(cells, query, alignment, coarsest_level=coarsest_level, most=_COMPARED)
        true = (seen.columns == cells.holding(*places.T)[:, None]) & seen.real
        rows = np.flatnonzero(true.any(axis=1))
        kept = np.where(seen.real, np.exp(seen.log_mass), 0.0).sum(axis=1)
        column = true.argmax(axis=1)
        batches.append((seen, torch.from_numpy(rows), torch.from_numpy(column[rows])))
        nats.append(nats_per_km2(cells, places))
        # What weighing anew multiplies: the share that the true cell had of those compared.
        log_before.append(seen.log_mass[rows, column[rows]] - np.log(kept[rows]))
    if not sum(map(len, log_before)):
        return None
    weights = torch.tensor([1.0, 0.0], dtype=torch.float64, requires_grad=True)
    search = torch.optim.LBFGS([weights], max_iter=100, line_search_fn="strong_wolfe")

    def log_shares() -> Tensor:
        shares = [
            seen.logits(weights[0], weights[1])[rows].log_softmax(1)[torch.arange(len(rows)), true]
            for seen, rows, true in batches
        ]
        return torch.cat(shares)

    def lost() -> Tensor:
        search.zero_grad()
        loss = -log_shares().mean()
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    search.step(lost)  # type: ignore[no-untyped-call]
    cells_weight, similarity = weights.tolist()
    if not (cells_weight > 0 and similarity > 0):
        return None
    gained = log_shares().detach().numpy() - np.concatenate(log_before)
    everything = np.concatenate(nats)
    blend = Blend(cells=cells_weight, similarity=similarity, coarsest_level=coarsest_level, most=_COMPARED)
    return blend, float((everything.sum() - gained.sum()) / len(everything))


def conformal_quantile(scores: ArrayLike, coverage: float) -> float:
    """The score that a further picture stays at or below with a probability of at least `coverage`.

    The ceil((n + 1) coverage)-th smallest of n scores, if the further one is exchangeable with them (Vovk et al.
    2005); infinity where n is too small to tell.

    Args:
        scores: Of n pictures (n,).
        coverage: Between 0 and 1.
    """
    ordered = np.sort(np.asarray(scores, dtype=np.float64))
    rank = math.ceil((len(ordered) + 1) * coverage - 1e-9)
    return float(ordered[rank - 1]) if rank <= len(ordered) else math.inf
