"""What a form asks for, checked."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, cast, get_args

from graticule.earth.places.data import find_language
from graticule.serving.describe import Detail
from graticule.serving.problems import ServingError
from graticule.serving.uploads import Form, Upload

__all__ = ["MOST_CANDIDATES", "Asked"]

MOST_CANDIDATES: Final = 50
_TEXTS: Final = ("within", "model", "top_k", "language", "detail")


@dataclass(frozen=True)
class Asked:
    """One request to locate.

    Attributes:
        pictures: that it is about.
        within: regions in the client's words, united; none for the whole Earth.
        model: name of the one that shall answer; the first served if it does not say.
        top_k: candidates a picture.
        language: of names of places.
        detail: how much is told of each answer.
    """

    pictures: list[Upload]
    within: list[str]
    model: str | None
    top_k: int
    language: str
    detail: Detail

    @classmethod
    def of(cls, form: Form) -> Asked:
        """Read a form.

        Raises:
            ServingError: A field is missing, unknown, given twice, or not what it may be.
            InputError: There are no names in the language asked for.
        """
        texts = dict(form.texts)
        unknown = sorted(texts.keys() - set(_TEXTS))
        if unknown:
            raise ServingError(
                422, f"there is no field {unknown[0][:100]!r}; there are pictures, {', '.join(_TEXTS)}."
            )
        if not form.pictures:
            raise ServingError(422, "the field 'pictures' is missing: send one file or more.")
        within = texts.pop("within", [])
        for name, given in texts.items():
            if len(given) > 1:
                raise ServingError(422, f"the field {name!r} is there {len(given)} times; give it once.")
        one = {name: given[0] for name, given in texts.items()}
        return cls(
            form.pictures,
            within,
            one.get("model"),
            _top_k(one.get("top_k", "5")),
            find_language(one.get("language", "en")),
            _detail(one.get("detail", "answer")),
        )


def _top_k(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,3}", text) or not 1 <= int(text) <= MOST_CANDIDATES:
        raise ServingError(422, f"top_k: {text[:20]!r} is no whole number from 1 to {MOST_CANDIDATES}.")
    return int(text)


def _detail(text: str) -> Detail:
    for detail in get_args(Detail):
        if text == detail:
            return cast(Detail, detail)
    raise ServingError(422, f"detail: {text[:20]!r} is none of {', '.join(get_args(Detail))}.")
