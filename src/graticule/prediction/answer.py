"""What Graticule answers about a picture: an estimate with its uncertainty, or a refusal with its reason."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from graticule.earth import s2
from graticule.earth.credible import CredibleRegion
from graticule.earth.distance import haversine_km
from graticule.errors import CoordinateError, GraticuleError, InputError

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from graticule.earth.density import Density
    from graticule.earth.regions import Region

__all__ = [
    "MASS",
    "Candidate",
    "Fused",
    "Neighbour",
    "NotSure",
    "Prediction",
    "Refusal",
    "Result",
    "Selection",
    "credible_radius_km",
]

MASS: Final = 0.9
"""The share of the probability that `Prediction.radius_km` holds."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """One place the picture may show: a cell, stood for by its centre."""

    latitude: float
    """Degrees, -90 to 90."""
    longitude: float
    """Degrees, -180 to 180."""
    probability: float
    """Of this cell, as the model sees it, 0 to 1. The candidates of a prediction need not sum to 1."""
    cell: str
    """S2 cell token: the hexadecimal id without its trailing zeros, as `S2CellId.ToToken` writes it."""

    def __post_init__(self) -> None:
        _check_place(self.latitude, self.longitude)
        # A hair above 1 is what summing float32 probabilities gives.
        if not 0 <= self.probability <= 1 + 1e-5:
            raise CoordinateError(f"probability {self.probability}: must be between 0 and 1")


@dataclass(frozen=True, slots=True)
class Neighbour:
    """A picture of the gallery that looks like the one asked about; the model saw where it was taken."""

    latitude: float
    """Degrees."""
    longitude: float
    """Degrees."""
    similarity: float
    """The cosine of both pictures' vectors, 1 at most."""
    row: int
    """Of the gallery."""


@dataclass(frozen=True, slots=True)
class NotSure:
    """Why an estimate is no answer: it was asked to be sure, and is not."""

    probability: float
    """That the truth is within `within_km` of the estimate; a whole per cent, rounded down."""
    asked: float
    """How much it should have been."""
    within_km: float


@dataclass(frozen=True, slots=True)
class Selection:
    """How an estimate was chosen among candidates."""

    by: str
    """The selector's name."""
    fallback: str | None = None
    """Why the model's own answer stands in for one that the selector did not give; None if it did."""
    tokens: int = 0
    """What a judge's server counted for this picture, prompts and answers together."""
    cost: float | None = None
    """In the currency of the judge's prices; None without prices."""


@dataclass(frozen=True, slots=True)
class Fused:
    """What an answer was fused with; see `graticule.fusing`."""

    pictures: int
    """Others that were taken together with it."""
    track: bool
    """Whether a track tells where the photographer was."""


@dataclass(frozen=True, slots=True)
class Prediction:
    """Where a picture was taken, as far as a model can tell."""

    path: str
    latitude: float
    """Of the estimate, in degrees, -90 to 90."""
    longitude: float
    """Of the estimate, in degrees, -180 to 180."""
    radius_km: float
    """The circle around the estimate that holds `MASS` of the probability."""
    candidates: tuple[Candidate, ...]
    """The likeliest cells, best first."""
    model: str
    """Name of the model that answered."""
    circles_km: tuple[float, ...] = field(default=(), repr=False)
    """The radii of the circles that hold 1, 2, ... 99 % of the probability, growing; `radius_km` is one of them."""
    region_probability: float | None = None
    """Of the region the answer was confined to, as the model sees it: all else is told as if the picture were
    taken there. None if there was no region."""
    notice: str | None = None
    """Why nothing is known, in words: the picture is unlike those the model knows, and the probability even. None if it
    is like them, or nobody looked; see `graticule.decoding.familiarity`."""
    not_sure: NotSure | None = None
    """Set if the answer was asked to be sure and is not: then the circle is the answer, and not its centre."""

    selection: Selection | None = None
    """Set if a selector was asked for; otherwise the estimate is the place of least expected loss."""

    fused: Fused | None = None
    """Set if other pictures, or a track, had a say."""

    neighbours: tuple[Neighbour, ...] = field(default=(), repr=False)
    """What retrieval found, most similar first; empty for a model that answers without neighbours."""
    density: Density | None = field(default=None, repr=False, compare=False)
    """All of the probability (of the region, if there was one), as a density of one row. None in an answer that was not
    made by a model but read from a file."""
    levels: tuple[int, ...] = field(default=(), repr=False, compare=False)
    """S2 levels of the model's cell tokens, coarse to fine."""

    def __post_init__(self) -> None:
        _check_place(self.latitude, self.longitude)
        if not 0 <= self.radius_km < math.inf:
            raise CoordinateError(f"radius_km {self.radius_km}: must be a length, 0 or more")

    @property
    def pinned(self) -> bool:
        """Whether its point is meant for a place: something is known of the picture, and as surely as was asked."""
        return self.not_sure is None and self.notice is None

    def probability_within(self, km: float) -> float:
        """The probability that the truth is within a distance of the estimate, at least.

        It agrees with `radius_km`: that is the least distance at which it is `MASS`.

        Args:
            km: The distance, 0 or more.

        Returns:
            A whole per cent, rounded down, 0.99 at most.
        """
        if self.circles_km:
            return bisect_right(self.circles_km, km) / 100
        return MASS if km >= self.radius_km else 0.0

    def doubted(self, asked: float, within_km: float) -> Prediction:
        """The same, marked as not sure if the truth is within a distance with less probability than is asked."""
        probability = self.probability_within(within_km)
        doubt = None if probability >= asked else NotSure(probability, asked, within_km)
        return replace(self, not_sure=doubt)

    def probability(self, region: Region | str | Sequence[str]) -> float:
        """The probability that the picture was taken in a region, 0 to 1.

        Args:
            region: or what `graticule.earth.regions.parse_region` reads, such as "Chile".

        Raises:
            InputError: The region can't be understood, or the prediction has no density.
        """
        from graticule.earth.regions import Region, parse_region

        there = region if isinstance(region, Region) else parse_region(region)
        return float(self._whole.probability(there.shares)[0])

    def credible_region(self, mass: float = MASS) -> CredibleRegion:
        """The smallest region that holds a share of the probability.

        Args:
            mass: The share, above 0.

        Raises:
            ConfigError: `mass` is not positive.
            InputError: The prediction has no density.
        """
        whole = self._whole
        held = whole.credible(mass)[0]
        shares = whole.mass[0] / whole.total[0]
        return CredibleRegion(mass, float(whole.area_km2[0][held].sum()), whole.cells[0][held], shares[held])

    def coarse_to_fine(self) -> tuple[Candidate, ...]:
        """The way to the estimate, coarse to fine: the cells that hold it, each with its probability.

        One for each level of the model's tokens, as far down as the search came there.

        Raises:
            InputError: The prediction has no density.
        """
        whole = self._whole
        here = whole.levels[0] >= 0
        cells, shares = whole.cells[0][here], whole.mass[0][here] / whole.total[0]
        [end] = whole.holding(np.array([self.latitude]), np.array([self.longitude]))
        way = []
        for level in self.levels:
            if level > whole.levels[0, end] >= 0:
                break
            [cell] = s2.cell_ids([self.latitude], [self.longitude], level=level)
            [lat], [lon] = s2.centres(np.array([cell]))
            share = float(shares[s2.contains(cell, cells)].sum())
            way.append(Candidate(float(lat), float(lon), share, s2.hex_token(int(cell))))
        return tuple(way)

    def to_geojson(self) -> dict[str, Any]:
        """A GeoJSON Feature: the estimate as a point, the rest as properties; see `graticule.output`."""
        from graticule.prediction.plain import feature

        return feature(self)

    def plot(self, axes: Axes | None = None, *, reach_deg: float | None = None) -> Axes:
        """Draw the probability, the circle that holds 90 % of it, and the estimate, on a map.

        Args:
            axes: Of matplotlib, to draw on; a figure of their own if not given.
            reach_deg: Degrees to the north and south of the estimate; the whole world if not given.

        Raises:
            MissingExtraError: matplotlib is not installed.
            InputError: The prediction has no density.
        """
        from graticule.prediction.drawn import draw

        return draw(self, self._whole, axes, reach_deg=reach_deg)

    def _repr_html_(self) -> str:
        """What a notebook shows: the answer in words and on a map."""
        from graticule.prediction.drawn import html

        return html(self)

    @property
    def _whole(self) -> Density:
        if self.density is None:
            raise InputError(
                f"{self.path}: this answer was read from a file and has no density; locate it again."
            )
        return self.density


@dataclass(frozen=True, slots=True)
class Refusal:
    """A picture that got no answer, and why."""

    path: str
    error: GraticuleError


Result: TypeAlias = Prediction | Refusal
"""What comes back for a picture; every picture gets one."""


def credible_radius_km(
    latitude: float,
    longitude: float,
    points: ArrayLike,
    weights: ArrayLike,
    *,
    mass: float = MASS,
    reach_km: ArrayLike = 0.0,
) -> float:
    """The radius of the smallest circle around a point that holds `mass` of a weighted set of points.

    The weights are normalised first. A point that stands for a cell has all its mass at the centre unless
    `reach_km` says how far the cell reaches: its mass then counts once the circle holds all of it, which
    errs on the side of modesty and keeps one lone cell from claiming a radius of zero.

    Args:
        latitude: Of the circle's centre, in degrees.
        longitude: Of the circle's centre, in degrees.
        points: Latitudes and longitudes in degrees (N, 2), N at least 1.
        weights: Not negative, not all zero (N,).
        mass: Share of the total weight, above 0, at most 1.
        reach_km: How far each point's cell reaches from it: one number, or (N,).

    Returns:
        Great-circle radius in km, between 0 and half the Earth's circumference plus the reach.

    Raises:
        CoordinateError: If a coordinate or a weight does not exist, or the shapes disagree.
    """
    _check_place(latitude, longitude)
    places = np.asarray(points, np.float64)
    shares = np.asarray(weights, np.float64)
    if places.ndim != 2 or places.shape[1] != 2 or shares.shape != places.shape[:1] or not len(shares):
        raise CoordinateError(
            f"points {places.shape} and weights {shares.shape}: must be (N, 2) and (N,), N > 0"
        )
    if not (np.isfinite(places).all() and (np.abs(places) <= (90, 180)).all()):
        raise CoordinateError("points: a latitude or longitude is NaN, infinite or out of range")
    if not (np.isfinite(shares).all() and (shares >= 0).all() and shares.sum() > 0):
        raise CoordinateError("weights: must be finite, not negative, and not all zero")
    if not 0 < mass <= 1:
        raise CoordinateError(f"mass {mass}: must be above 0 and at most 1")
    far = haversine_km(latitude, longitude, places[:, 0], places[:, 1]) + np.asarray(reach_km, np.float64)
    order = np.argsort(far, kind="stable")
    held = np.cumsum(shares[order])
    # The last sum is the total as it was really added up, so mass = 1 is always reached.
    inside = int(np.searchsorted(held, mass * held[-1] * (1 - 1e-12)))
    return float(far[order[inside]])


def _check_place(latitude: float, longitude: float) -> None:
    # Written so that NaN, which compares as False with everything, is refused too.
    if not -90 <= latitude <= 90:
        raise CoordinateError(f"latitude {latitude}: must be between -90 and 90 degrees")
    if not -180 <= longitude <= 180:
        raise CoordinateError(f"longitude {longitude}: must be between -180 and 180 degrees")
