"""From a result to the record that is written: with its place by name, and what tells model and file apart."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from graticule.batch.pictures import Listed
from graticule.output.record import Record
from graticule.prediction import Prediction, Result
from graticule.prediction.plain import to_dict

__all__ = ["Gazetteer", "place_names", "records_of"]

_CIRCLES: Final = (50, 90)
"""Per cent of the probability, of the circles in a record."""


class Named(Protocol):
    """A place with a name, such as `graticule.earth.places.Place`."""

    def to_dict(self) -> dict[str, Any]:
        """As plain values."""


class Gazetteer(Protocol):
    """What names places, such as `graticule.earth.places.Places`."""

    def at(self, latitudes: NDArray[np.float64], longitudes: NDArray[np.float64]) -> Sequence[Named]:
        """The places at some points, in degrees (N,)."""


def records_of(
    results: Sequence[Result],
    pictures: Sequence[Listed],
    *,
    places: Gazetteer | None = None,
    model_digest: str | None = None,
) -> list[Record]:
    """The records of some results.

    Args:
        results: N of them.
        pictures: what each is of, N.
        places: names the estimates' places, all in one call. An answer that is not sure has none.
        model_digest: of the model that answered.
    """
    names = place_names(results, places)
    records = []
    for number, (result, picture) in enumerate(zip(results, pictures, strict=True)):
        record = to_dict(result)
        if number in names:
            record["place"] = names[number].to_dict()
        if isinstance(result, Prediction):
            if result.circles_km:
                record["circles_km"] = {str(share): result.circles_km[share - 1] for share in _CIRCLES}
            if model_digest is not None:
                record["model_digest"] = model_digest
        if (state := picture.state()) is not None:
            record["file"] = state
        records.append(record)
    return records


def place_names(results: Sequence[Result], places: Gazetteer | None) -> dict[int, Named]:
    """The places of the estimates among some results, by their numbers."""
    sure = {
        number: result
        for number, result in enumerate(results)
        if isinstance(result, Prediction) and result.pinned
    }
    if places is None or not sure:
        return {}
    points = np.array([(result.latitude, result.longitude) for result in sure.values()])
    return dict(zip(sure, places.at(points[:, 0], points[:, 1]), strict=True))
