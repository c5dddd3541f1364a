"""Settings that were given from outside, checked."""

from __future__ import annotations

from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from graticule.errors import ConfigError

__all__ = ["checked"]

Recipe = TypeVar("Recipe", bound=BaseModel)


def checked(recipe: type[Recipe], settings: dict[str, Any]) -> Recipe:
    """The recipe of these settings.

    Raises:
        ConfigError: one makes no sense; the message names it.
    """
    try:
        return recipe.model_validate(settings)
    except ValidationError as error:
        told = [f"{'.'.join(map(str, e['loc']))}: {e['msg']} (not {e['input']!r})" for e in error.errors()]
        raise ConfigError("; ".join(told)) from error
