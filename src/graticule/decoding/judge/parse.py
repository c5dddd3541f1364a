"""A judge's answer, read with patience and believed only where it can be read in one way.

A judge is a stranger: of all it writes, a number or two are taken, and nothing is ever obeyed. Models that were
asked for JSON answer with JSON, with JSON in a fence or in prose, with nearly JSON, or with prose.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, Final

from graticule.decoding.judge.angles import AnswerError, Axis, Place, angle, brief, checked, place_in_prose

__all__ = ["parse_choice", "parse_place"]

MAX_CHARACTERS: Final = 20_000
"""An answer beyond this is not read."""

_KEYS: Final[dict[str, Axis]] = {
    **dict.fromkeys(("lat", "latitude", "lat_deg", "latitude_deg"), "lat"),
    **dict.fromkeys(("lon", "lng", "long", "longitude", "lon_deg", "longitude_deg"), "lon"),
}
_PAIR_KEYS: Final = frozenset(
    ("answer", "estimate", "guess", "latlng", "latlon", "location", "place", "point", "position", "result")
)
_CHOICE_KEYS: Final = frozenset(("answer", "best", "candidate", "choice", "chosen", "number", "selected"))
_COMPASS: Final = re.compile(r"\s*(?:[NSEW]|north|south|east|west)\s*", re.IGNORECASE)
_DENIAL: Final = re.compile(
    r"\b(?:not|none|neither|nor|no(?!\.)|never|cannot|unable|sorry|unsure)\b|n['\u2019]t\b", re.IGNORECASE
)
_WHOLE: Final = re.compile(r"(?<![\w.,+/\u2212\u2013-])[0-9]{1,6}(?![\w%/]|[.,][0-9]|\s?[-\u2013]\s?[0-9])")
# Possessive, so that a long answer of blanks takes no longer to refuse.
_CHOICE: Final = re.compile(
    r"[\s\"'*(#]*+(?:candidate|choice|number|option|place)?[\s\"'*(#:.]*+([0-9]{1,6})[\s\"'*).]*+",
    re.IGNORECASE,
)


class _Object(list[tuple[str, Any]]):
    """A JSON object with every key it was given, twice if it was given twice."""


_DECODER: Final = json.JSONDecoder(object_pairs_hook=_Object, parse_int=float)


def parse_place(text: str) -> Place:
    """The latitude and longitude that an answer gives, in degrees, in range and not (0, 0).

    Raises:
        AnswerError: It gives none, several, or one that does not exist.
    """
    values, loose, rest = _json(text)
    places = {*_keyed(values), *map(place_in_prose, loose)} or {*_pairs(values)} or {*_in_strings(values)}
    if len(places) > 1:
        raise AnswerError("several places are named")
    return places.pop() if places else place_in_prose(rest)


def parse_choice(text: str, count: int) -> int:
    """The candidate that an answer chooses.

    Args:
        text: The answer.
        count: How many candidates there were.

    Returns:
        Its index, 0 to `count` - 1; the answer counts from 1.

    Raises:
        AnswerError: It chooses none, several, or one that does not exist.
    """
    values, loose, rest = _json(text)
    if values or loose:
        leaves = [leaf for value in values for leaf in _leaves("", value)]
        named = [value for key, value in leaves if key in _CHOICE_KEYS]
        chosen = {_whole(value) for value in named or [v for _, v in leaves if isinstance(v, float)]}
        chosen |= {number for inner in loose for number in _wholes(inner)}
    else:
        chosen = set(_wholes(rest))
    if len(chosen) != 1:
        raise AnswerError(f"{'several numbers' if chosen else 'no number'} in {brief(text)!r}")
    number = chosen.pop()
    if not 1 <= number <= count:
        raise AnswerError(f"candidate {number} is chosen, there are 1 to {count}")
    return number - 1


def _json(text: str) -> tuple[list[Any], list[str], str]:
    """The JSON in a text, what is between braces without being JSON, and what is around both.

    Raises:
        AnswerError: A brace does not close: the answer was cut short, and its last number may be too.
    """
    # Thinking aloud, by models that do it in their answer, names many places.
    text = text.rpartition("</think>")[2]
    if len(text) > MAX_CHARACTERS:
        raise AnswerError(f"longer than {MAX_CHARACTERS} characters")
    text = re.sub(r",(?=\s*[}\]])", "", text)
    values: list[Any] = []
    loose: list[str] = []
    rest: list[str] = []
    done = 0
    for opening in re.finditer(r"[{\[]", text):
        start = opening.start()
        if start < done:
            continue
        rest.append(text[done:start])
        try:
            value, done = _DECODER.raw_decode(text, start)
            values.append(value)
        except RecursionError as error:
            raise AnswerError("brackets within brackets without end") from error
        except ValueError as error:
            done = start + 1
            if opening[0] == "{":
                closed = re.compile(r"\{([^{}]*)\}").match(text, start)
                if not closed:
                    raise AnswerError(f"cut short or damaged: {brief(text[start:])!r}") from error
                loose.append(closed[1])
                done = closed.end()
    return values, loose, " ".join([*rest, text[done:]])


def _keyed(values: list[Any]) -> Iterator[Place]:
    """The places of objects that call a latitude and a longitude by name."""
    stack = list(values)
    while stack:
        value = stack.pop()
        if not isinstance(value, list):
            continue
        if not isinstance(value, _Object):
            stack.extend(value)
            continue
        axes = [(_KEYS.get(key.strip().lower()), part) for key, part in value]
        if any(axis for axis, _ in axes):
            if any(isinstance(part, str) and _COMPASS.fullmatch(part) for _, part in value):
                raise AnswerError("a compass direction stands apart from its number")
            yield checked(_axis(axes, "lat"), _axis(axes, "lon"))
        else:
            stack.extend(part for _, part in value)


def _axis(axes: list[tuple[Axis | None, Any]], wanted: Axis) -> float:
    found = {_degrees(part, wanted) for axis, part in axes if axis == wanted}
    if len(found) != 1:
        raise AnswerError(f"{'more than one' if found else 'no'} {wanted} in the object")
    return found.pop()


def _degrees(value: Any, axis: Axis) -> float:
    if isinstance(value, float):
        return value
    if isinstance(value, str):
        return angle(value, axis)
    raise AnswerError(f"the {axis} is not a number")


def _pairs(values: list[Any]) -> Iterator[Place]:
    """The places given as [latitude, longitude], alone or under a name that stands for a place."""
    stack = list(values)
    while stack:
        value = stack.pop()
        if isinstance(value, _Object):
            for key, part in value:
                if key == "coordinates" and _is_pair(part):
                    yield _coordinates(value, part)
                elif isinstance(part, _Object) or key.strip().lower().replace("_", "") in _PAIR_KEYS:
                    stack.append(part)
        elif _is_pair(value):
            yield checked(*value)
        elif isinstance(value, list):
            if len(value) == 2 and all(isinstance(part, str) for part in value):
                yield place_in_prose(", ".join(value))
            stack.extend(value)


def _is_pair(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 2 and all(isinstance(part, float) for part in value)


def _coordinates(owner: _Object, pair: list[float]) -> Place:
    """GeoJSON's "coordinates", whose order is longitude first, but not if it is no GeoJSON."""
    if ("type", "Point") in owner:
        return checked(pair[1], pair[0])
    if abs(pair[1]) > 90:
        return checked(*pair)
    raise AnswerError("the order of the coordinates is not said")


def _in_strings(values: list[Any]) -> Iterator[Place]:
    for value in values:
        for _, leaf in _leaves("", value):
            # With one number or none it is no place; with more it is one, or should have been.
            if isinstance(leaf, str) and len(re.findall(r"[0-9.,]+", leaf)) > 1:
                yield place_in_prose(leaf)


def _leaves(key: str, value: Any) -> Iterator[tuple[str, Any]]:
    """Everything in a JSON value that is neither list nor object, with the key it stands under."""
    stack = [(key, value)]
    while stack:
        key, value = stack.pop()
        if isinstance(value, _Object):
            stack.extend((name.strip().lower(), part) for name, part in value)
        elif isinstance(value, list):
            stack.extend((key, part) for part in value)
        else:
            yield key, value


def _whole(value: Any) -> int:
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, str) and (match := _CHOICE.fullmatch(value)):
        return int(match[1])
    raise AnswerError(f"no candidate's number: {brief(str(value))!r}")


def _wholes(text: str) -> Iterator[int]:
    """The whole numbers in prose, if it denies nothing: "not candidate 2" does not choose 2."""
    if _DENIAL.search(text):
        raise AnswerError(f"a refusal, or no clear choice: {brief(text)!r}")
    for match in _WHOLE.finditer(text):
        yield int(match[0])
