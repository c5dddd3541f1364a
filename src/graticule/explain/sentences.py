"""An answer in a sentence or two. They are English; the names in them are in the language of the places."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from graticule.earth.notation import format_km
from graticule.earth.places import Places
from graticule.earth.places.place import listed
from graticule.explain.parts import Part, parts_of
from graticule.prediction import MASS, Prediction

__all__ = ["said_of", "words"]

_MAJORITY: Final = 0.6
"""What the most probable part must hold to be called most likely..."""
_AHEAD: Final = 2.0
"""...and how many times what the next one holds."""
_AS_LIKELY: Final = 0.75
"""Of two, the less likely is about as likely as the other if it holds this much of it."""
_MOST_NAMED: Final = 3
_NUMBERS: Final = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")


def words(prediction: Prediction, places: Places) -> str:
    """Where a picture was taken, as far as the prediction tells: never surer than its numbers.

    "Most likely northern Chile; 90 % within these two regions: northern Chile (72 %) and southern Peru (20 %)."

    Args:
        prediction: of any model. Without its density only the circle is told.
        places: names, in the language asked for.
    """
    parts = () if prediction.density is None else parts_of(prediction.credible_region(MASS), places)
    return said_of(prediction, parts, places)


def said_of(prediction: Prediction, parts: Sequence[Part], places: Places) -> str:
    """`words`, where the parts of the region of 90 % are known already; none if they are not."""
    if prediction.notice is not None:
        return f"Nothing is known of where it was taken. The picture is {prediction.notice}."
    doubt = prediction.not_sure
    spread = _spread(parts) if parts else _circle(prediction, places)
    if doubt is not None:
        said = f"Not sure: {_per_cent(doubt.probability)} within {format_km(doubt.within_km)}, "
        said += f"where {_per_cent(doubt.asked)} were asked; {spread}."
    elif not parts:
        said = f"{spread[0].upper()}{spread[1:]}."
    else:
        likeliest = _likeliest(parts)
        said = (
            f"{likeliest}; {spread}."
            if len(parts) > 1
            else f"{likeliest} ({_per_cent(parts[0].probability)})."
        )
    if prediction.region_probability is not None:
        share = _per_cent(prediction.region_probability)
        said += f" All this if it was taken in the region asked for, to which the model gives {share}."
    return said


def _likeliest(parts: Sequence[Part]) -> str:
    """The most probable part, with as much certainty as it has over the next one."""
    first, *others = parts
    if not others or (first.probability >= _MAJORITY and first.probability >= _AHEAD * others[0].probability):
        return f"Most likely {first.words}"
    share, other = _per_cent(first.probability), _per_cent(others[0].probability)
    if others[0].probability >= _AS_LIKELY * first.probability:
        return f"About as likely in {first.words} ({share}) as in {others[0].words} ({other})"
    return f"More likely in {first.words} ({share}) than in {others[0].words} ({other})"


def _spread(parts: Sequence[Part]) -> str:
    """All the parts of the region of 90 %, the first ones by name."""
    whole = _per_cent(MASS)
    named = listed(tuple(f"{part.words} ({_per_cent(part.probability)})" for part in parts[:_MOST_NAMED]))
    if len(parts) == 1:
        return f"{whole} within one region: {named}"
    if len(parts) <= _MOST_NAMED:
        return f"{whole} within these {_number(len(parts))} regions: {named}"
    return f"{whole} within {_number(len(parts))} regions, first of them {named}"


def _circle(prediction: Prediction, places: Places) -> str:
    """What an answer without a density says: its circle."""
    [place] = places.at([prediction.latitude], [prediction.longitude])
    return f"{_per_cent(MASS)} within {format_km(prediction.radius_km)} of this place: {place}"


def _per_cent(probability: float) -> str:
    """Rounded down, so that it claims no more than is known."""
    percent = int(100 * probability + 1e-9)
    return f"{percent} %" if percent >= 1 else "under 1 %"


def _number(count: int) -> str:
    return _NUMBERS[count] if count < len(_NUMBERS) else f"{count}"
