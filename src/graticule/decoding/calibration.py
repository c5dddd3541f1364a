"""Making a model's probabilities keep their word.

Three corrections, each for what the others can't mend. Temperatures sharpen or soften the next-token distributions,
so that a cell said to be as likely as another is. A blend brings in what the alignment says of each place. Regions
and circles of given probability are then asked for at the size that was found, on pictures with known places, to cover
as often as they say (split conformal prediction; Vovk et al. 2005, Angelopoulos and Bates 2021). How all of it is
fitted is told in `graticule.evaluation.calibration_fit`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from torch import Tensor

from graticule.alignment.contract import ImageLocationAlignment
from graticule.decoding.blend import Blend, blended
from graticule.decoding.density import density
from graticule.earth.cells import TokenScheme
from graticule.earth.density import HALF_WAY_ROUND_KM, Density
from graticule.errors import ConfigError, ModelFormatError
from graticule.prediction import MASS
from graticule.tokens.contract import CellModel, StateT
from graticule.tokens.query import Query

if TYPE_CHECKING:
    from graticule.decoding.constrain import CellMask

__all__ = ["STEPS", "Calibrated", "Calibration"]

STEPS = 99
"""A calibration is kept for coverages of 1 %, 2 %, ... 99 %."""


@dataclass(frozen=True)
class Calibrated(Generic[StateT]):
    """A cell model whose next-token distributions are sharpened or softened, by one temperature a token.

    Log-probabilities are divided by the temperature and normalised again (Guo et al. 2017): below 1 sharpens,
    above 1 softens, and the order of a prefix's children stays.

    Attributes:
        model: Any cell model.
        temperatures: One for each token, positive.
    """

    model: CellModel[StateT]
    temperatures: tuple[float, ...]

    def __post_init__(self) -> None:
        if len(self.temperatures) != self.model.scheme.length:
            raise ConfigError(
                f"{len(self.temperatures)} temperatures for a model of {self.model.scheme.length} tokens: one each."
            )
        if not all(0 < temperature < math.inf for temperature in self.temperatures):
            raise ConfigError(f"temperatures {self.temperatures} must be positive numbers.")

    @property
    def scheme(self) -> TokenScheme:
        """That of the model."""
        return self.model.scheme

    def begin(self, query: Query) -> StateT:
        """The state of the empty prefix; see `CellModel`."""
        return self.model.begin(query)

    def next_log_probs(self, state: StateT) -> Tensor:
        """`(B, W, V_t)`; see `CellModel`."""
        log_probs = self.model.next_log_probs(state)
        return (log_probs / self.temperatures[state.length]).log_softmax(-1)

    def advance(self, state: StateT, parents: Tensor, tokens: Tensor) -> StateT:
        """Continue some prefixes by one token each; see `CellModel`."""
        return self.model.advance(state, parents, tokens)


class Calibration(BaseModel):
    """What was learnt about a model from pictures with known places; a part of its folder, as JSON.

    It holds for densities made by its own `density`, on pictures like those it was fitted on, and without a mask:
    told where a picture may be, the model errs in other ways.

    Attributes:
        model: The model it belongs to.
        fitted_on: Which pictures it was fitted on, in words.
        pictures: How many.
        mass: Setting of `density`.
        width: Setting of `density`.
        temperatures: One for each token.
        blend: How the alignment is heard; None where it is not.
        regions: For coverages of 1 to 99 %, the mass to ask a credible region for.
        circles: For coverages of 1 to 99 %, what to multiply the radius of that mass with; None where no circle
            short of the whole Earth is known to hold so often.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: str
    fitted_on: str
    pictures: int = Field(ge=0)
    mass: float = Field(gt=0, le=1)
    width: int = Field(gt=0)
    temperatures: tuple[float, ...]
    blend: Blend | None = None
    regions: tuple[float, ...] = Field(min_length=STEPS, max_length=STEPS)
    circles: tuple[float | None, ...] = Field(min_length=STEPS, max_length=STEPS)

    @classmethod
    def none(cls, model: CellModel[StateT], *, mass: float = 0.95, width: int = 8) -> Calibration:
        """The calibration that changes nothing: a model as it is."""
        steps = tuple((np.arange(1, STEPS + 1) / (STEPS + 1)).tolist())
        return cls(
            model="",
            fitted_on="nothing",
            pictures=0,
            mass=mass,
            width=width,
            temperatures=(1.0,) * model.scheme.length,
            regions=steps,
            circles=(1.0,) * STEPS,
        )

    @classmethod
    def from_json(cls, text: str | bytes, *, name: str = "calibration.json") -> Calibration:
        """Read what `to_json` wrote.

        Raises:
            ModelFormatError: It is not a calibration.
        """
        try:
            return cls.model_validate_json(text)
        except ValidationError as error:
            raise ModelFormatError(f"{name}: not a calibration ({error}); fit it anew.") from error

    def to_json(self) -> str:
        """The calibration as a JSON object."""
        return self.model_dump_json(indent=2) + "\n"

    def apply(self, model: CellModel[StateT]) -> CellModel[StateT]:
        """The model with its temperatures; the model itself if these change nothing.

        Raises:
            ConfigError: The model has another number of tokens.
        """
        unchanged = self.temperatures == (1.0,) * model.scheme.length
        return model if unchanged else Calibrated(model, self.temperatures)

    def density(
        self,
        model: CellModel[StateT],
        query: Query,
        *,
        alignment: ImageLocationAlignment | None = None,
        mask: CellMask | None = None,
    ) -> Density:
        """The calibrated distribution over the Earth; see `graticule.decoding.density.density`.

        Args:
            model: The model itself, without its temperatures.
            query: B pictures.
            alignment: The one that made the query; needed if there is a blend.
            mask: Where the pictures may be.
        """
        found = density(self.apply(model), query, mass=self.mass, width=self.width, mask=mask)
        return self.pooled(found, query, alignment)

    def pooled(self, found: Density, query: Query, alignment: ImageLocationAlignment | None) -> Density:
        """A density of the model with its temperatures, blended with what the alignment says.

        Raises:
            ConfigError: There is a blend and no alignment.
        """
        if self.blend is None:
            return found
        if alignment is None:
            raise ConfigError(
                "calibration: it blends in the alignment, but none was given; give the model's."
            )
        return blended(found, query, alignment, self.blend)

    def credible(self, found: Density, coverage: float) -> NDArray[np.bool_]:
        """Which cells (B, C) make a region that holds the truth this often.

        Args:
            found: From `self.density`.
            coverage: Share of pictures, above 0 and below 1; rounded up to the next per cent. Above 99 % every cell
                is taken.
        """
        step = _step(coverage)
        return found.credible(self.regions[step] if step < STEPS else 1.0)

    def radius_km(
        self, found: Density, points: NDArray[np.float64], *, coverage: float = MASS
    ) -> NDArray[np.float64]:
        """The radii (B,) of circles that hold the truth this often.

        Args:
            found: From `self.density`.
            points: Their centres, the goal "geoscore"'s points of `found`: latitudes and longitudes (B, 2).
            coverage: Share of pictures, above 0 and below 1; rounded up to the next per cent. Above 99 % the circle
                is the whole Earth.
        """
        step = _step(coverage)
        if step == STEPS:
            return np.full(len(points), HALF_WAY_ROUND_KM)
        return self.radii_km(found, points)[:, step]

    def radii_km(self, found: Density, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """The radii (B, 99) of circles that hold the truth in 1, 2, ... 99 % of pictures; see `radius_km`.

        They never shrink from one per cent to the next.
        """
        factors = np.array([math.inf if factor is None else factor for factor in self.circles])
        radii = found.radii_km(points, np.arange(1, STEPS + 1) / (STEPS + 1))
        return np.maximum.accumulate(np.minimum(HALF_WAY_ROUND_KM, factors * radii), axis=1)


def _step(coverage: float) -> int:
    """The place of a coverage, rounded up to whole per cents, in the tables; `STEPS` if above them."""
    if not 0 < coverage < 1:
        raise ConfigError(f"coverage is {coverage}: it must lie between 0 and 1, such as 0.9.")
    # A hair less, since 0.07 * 100 is 7.000000000000001.
    return math.ceil(coverage * (STEPS + 1) - 1e-9) - 1
