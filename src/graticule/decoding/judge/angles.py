"""Coordinates in prose: decimal degrees, degrees and minutes, compass letters, labels, a bare pair.

Nothing is guessed. What can be read in two ways is refused: a range, several places, minutes without marks,
"33,151", a number that might as well be a date. To ask again costs little, a wrong place is believed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, Literal, TypeAlias

from graticule.errors import GraticuleError

__all__ = ["AnswerError", "Axis", "Place", "angle", "brief", "checked", "place_in_prose"]

Axis: TypeAlias = Literal["lat", "lon"]
Place: TypeAlias = tuple[float, float]
"""Latitude and longitude in degrees, in range, and not both zero."""


class AnswerError(GraticuleError):
    """A judge's answer holds no answer, or more than one."""


def brief(text: str, length: int = 80) -> str:
    """Text of a stranger as it may be shown: one line, short, nothing that could steer a terminal."""
    text = "".join(c if c.isprintable() else " " for c in text[: 20 * length])
    text = " ".join(text.split())
    return text if len(text) <= length else text[: length - 3] + "..."


def checked(lat: float, lon: float) -> Place:
    """A place, if there is such a place.

    Raises:
        AnswerError: It is out of range, or (0, 0): that is what a model writes that has nothing to say, and
            the sea off Ghana is no place for a photo.
    """
    # Written so that NaN, which compares as False with everything, is refused too.
    if not (-90 <= lat <= 90 and -180 <= lon <= 180):
        raise AnswerError(f"latitude {lat:g}, longitude {lon:g} is out of range")
    if lat == 0 and lon == 0:
        raise AnswerError("0, 0 is what stands for no answer")
    return lat, lon


_NUMBER: Final = r"\.?[0-9]+(?:[.,][0-9]+)*"
_ANGLE: Final = rf"""
    (?P<before>(?<![A-Za-z])[NSEW](?![A-Za-z])\s*)?
    (?P<sign>[+-])?
    (?P<degrees>{_NUMBER})
    (?:\s*(?P<mark>°|(?i:degrees?|deg)\b\.?)
        (?:\s*(?P<minutes>{_NUMBER})\s*(?:'|(?i:minutes?|min)\b\.?)
            (?:\s*(?P<seconds>{_NUMBER})\s*(?:"|(?i:seconds?|sec)\b\.?))?)?)?
    (?(before)|(?:\s*(?P<after>[NSEW](?![A-Za-z])|(?i:north|south|east|west)\b))?)
"""
_LABEL: Final = r"""
    (?P<label>(?i:\b(?:
        (?P<both>lat(?:itude)?\s*(?:,|/|&|and)\s*(?:lng|lon(?:g(?:itude)?)?))
        |(?P<lat>lat(?:itude)?)
        |lng|lon(?:g(?:itude)?)?
    )\b))
"""
_TOKEN: Final = re.compile(f"{_LABEL}|{_ANGLE}", re.VERBOSE)
_ONE_ANGLE: Final = re.compile(_ANGLE, re.VERBOSE)

# Metres and per cent are never degrees, and are passed over.
_UNIT: Final = re.compile(r"\s?(?:%|(?:percent|km|kilomet\w+|m|met(?:re|er)s?|mi|miles?)\b)", re.IGNORECASE)
_FROM_LABEL: Final = re.compile(r"[^,;\n0-9+-]{0,40}")
_RUN_ON: Final = re.compile(r"\s*(?:[,;:/~±+-]|to|and|or)?\s*")
_PAIRED: Final = re.compile(r"\s*[,;]\s*")

_PLAIN: Final = str.maketrans(
    dict.fromkeys("\u2212\ufe63\uff0d\u2010\u2011\u2012\u2013", "-")  # minus signs, hyphens, en dash
    | dict.fromkeys("\u00ba\u02da", "°")  # ordinal, ring
    | dict.fromkeys("\u2032\u2019\u2018\u02b9\u00b4", "'")  # primes, quotes, acute
    | dict.fromkeys("\u2033\u201d\u201c\u02ba", '"')
    | dict.fromkeys("\u200b\u200c\u200d\u200e\u200f\u2060\ufeff")  # of no width
)


@dataclass(frozen=True)
class _Number:
    """A number in the text; a value of None is one that can't be an angle, such as a year."""

    start: int
    end: int
    value: float | None
    axis: Axis | None
    point: str
    """What its decimal point is: ".", "," or nothing."""
    marked: bool
    """Whether it is written as an angle, by a degree sign or by decimals."""


def angle(text: str, axis: Axis) -> float:
    """One angle and nothing else, in degrees.

    Raises:
        AnswerError: It is not one, or its compass letter belongs to the other axis.
    """
    text = _plain(text).strip()
    match = _ONE_ANGLE.fullmatch(text)
    found = _number(match, None) if match else None
    if found is None or found.value is None or found.axis not in (None, axis):
        raise AnswerError(f"no {axis} in {brief(text)!r}")
    return found.value


def place_in_prose(text: str) -> Place:
    """The one place that a text names.

    Raises:
        AnswerError: It names none, or several, or one that does not exist, or can be read in two ways.
    """
    text = _plain(text)
    numbers = list(_numbers(text))
    if any(number.axis for number in numbers):
        return _of_known_axes(text, numbers)
    return _of_a_pair(text, numbers)


def _plain(text: str) -> str:
    """The many dashes, degree signs and primes as one of each; "33.9,151.2" as a pair."""
    text = text.translate(_PLAIN).replace("''", '"')
    return re.sub(r"(\.[0-9]{1,20}),(?=[0-9]{1,3}\.[0-9])", r"\1, ", text)


def _numbers(text: str) -> Iterator[_Number]:
    label: re.Match[str] | None = None
    for match in _TOKEN.finditer(text):
        if match["label"]:
            label = match
            continue
        if _UNIT.match(text, match.end()) and not match["after"]:
            label = None
            continue
        named: Axis | None = None
        if label and not label["both"] and _FROM_LABEL.fullmatch(text, label.end(), match.start()):
            named = "lat" if label["lat"] else "lon"
        label = None
        yield _number(match, named)


def _number(match: re.Match[str], named: Axis | None) -> _Number:
    letter = (match["before"] or match["after"] or "").strip()[:1].upper()
    axis: Axis | None = None
    if letter:
        axis = "lat" if letter in "NS" else "lon"
        if named not in (None, axis):
            raise AnswerError(f"{brief(match[0])!r} is called a {named}")
    point = next((sign for sign in ".," if sign in match["degrees"]), "")
    return _Number(
        match.start(),
        match.end(),
        _value(match, letter),
        axis or named,
        point,
        bool(match["mark"] or point),
    )


def _value(match: re.Match[str], letter: str) -> float | None:
    """Degrees, south and west negative; None if it is no angle."""
    text, sign = match.string, match["sign"]
    if match.start() and (text[match.start() - 1].isalnum() or text[match.start() - 1] in "_+-.#$€£—"):
        return None
    if not sign and not letter and text[: match.start()].rstrip().endswith("-"):
        return None  # "- 33.9": a minus sign, or a dash
    if match.end() < len(text) and (text[match.end()].isalnum() or text[match.end()] == "_"):
        return None
    parts = [match[name] for name in ("degrees", "minutes", "seconds") if match[name]]
    # Only the last of degrees, minutes and seconds may have decimals.
    if not all(re.fullmatch(r"[0-9]{1,3}", part) for part in parts[:-1]):
        return None
    if not re.fullmatch(r"[0-9]{1,3}(?:[.,][0-9]{1,20})?", parts[-1]):
        return None
    degrees, minutes, seconds = ([float(part.replace(",", ".")) for part in parts] + [0.0, 0.0])[:3]
    if minutes >= 60 or seconds >= 60:
        return None
    # "-33.9 S" says south twice; nobody means the north by it. "-33.9 N" contradicts itself.
    if sign and letter and (sign == "-") != (letter in "SW"):
        raise AnswerError(f"{brief(match[0])!r} has a sign that contradicts its letter")
    size = degrees + minutes / 60 + seconds / 3600
    return -size if sign == "-" or letter in ("S", "W") else size


def _of_known_axes(text: str, numbers: list[_Number]) -> Place:
    for one, other in pairwise(numbers):
        run_on = _RUN_ON.fullmatch(text, one.end, other.start)
        apart = {one.axis, other.axis} == {"lat", "lon"}
        if run_on and not apart and (one.axis or other.axis):
            raise AnswerError(f"{brief(text[one.start : other.end])!r} can be read in several ways")
    lats = {number.value for number in numbers if number.axis == "lat"}
    lons = {number.value for number in numbers if number.axis == "lon"}
    if len(lats) > 1 or len(lons) > 1:
        raise AnswerError("several places are named")
    lat, lon = lats.pop() if lats else None, lons.pop() if lons else None
    if lat is None or lon is None:
        raise AnswerError("only half of a place is named")
    return checked(lat, lon)


def _of_a_pair(text: str, numbers: list[_Number]) -> Place:
    """Two bare numbers side by side: the latitude comes first, as was asked and as is usual."""
    pairs = [(a, b) for a, b in pairwise(numbers) if _is_pair(text, a, b)]
    if any(one[1] is other[0] for one, other in pairwise(pairs)):
        raise AnswerError("more than two numbers follow one another")
    places = {(a.value, b.value) for a, b in pairs if a.marked and b.marked}
    if not places and len(pairs) == 1:
        # Whole numbers may be anything, unless they are all there is.
        (a, b) = pairs[0]
        rest = text[: a.start] + text[b.end :]
        rest = re.sub(_LABEL, "", rest, flags=re.VERBOSE)
        if not any(character.isalnum() for character in rest):
            places = {(a.value, b.value)}
    if len(places) != 1:
        raise AnswerError(f"{'several places' if places else 'no coordinates'} in {brief(text)!r}")
    lat, lon = places.pop()
    if lat is None or lon is None:
        raise AnswerError(f"no coordinates in {brief(text)!r}")
    return checked(lat, lon)


def _is_pair(text: str, one: _Number, other: _Number) -> bool:
    between = text[one.end : other.start]
    points = {one.point, other.point}
    if points == {".", ","} or ("," in points and between == ","):
        return False
    side_by_side = between.isspace() and one.marked and other.marked
    return bool(_PAIRED.fullmatch(between)) or side_by_side
