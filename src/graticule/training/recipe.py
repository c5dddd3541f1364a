"""Settings that were given from outside: read from a file, overlaid with options, checked."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from graticule.errors import ConfigError, MissingExtraError

__all__ = ["checked", "overlaid", "read_recipe"]

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


def read_recipe(
    recipe: type[Recipe],
    path: Path | None,
    given: Mapping[str, Any],
    *,
    otherwise: Mapping[str, Any] | None = None,
) -> Recipe:
    """The recipe of a YAML file, with what was given on the command line put in its place.

    What neither names, at any depth, is as the recipe has it by default.

    Args:
        recipe: its class.
        path: the file; None: there is none.
        given: name -> value, at any depth; None: not given.
        otherwise: name -> value of what neither names, where the recipe has no default.

    Raises:
        ConfigError: the file can't be read, or a setting makes no sense.
        MissingExtraError: pyyaml is not installed.
    """
    defaults = {
        name: field.default.model_dump(mode="json")
        for name, field in recipe.model_fields.items()
        if isinstance(field.default, BaseModel)
    }
    settings = overlaid({**defaults, **(otherwise or {})}, {} if path is None else _settings(path))
    return checked(recipe, overlaid(settings, _said(given)))


def overlaid(settings: Any, other: Any) -> Any:
    """`settings` with what `other` names put in its place, at any depth."""
    if isinstance(settings, Mapping) and isinstance(other, Mapping):
        return {**settings, **{name: overlaid(settings.get(name), value) for name, value in other.items()}}
    return other


def _said(given: Mapping[str, Any]) -> dict[str, Any]:
    """What was given, without what was not."""
    parts = {name: _said(part) if isinstance(part, Mapping) else part for name, part in given.items()}
    return {name: part for name, part in parts.items() if part is not None and part != {}}


def _settings(path: Path) -> dict[str, Any]:
    try:
        import yaml
    except ImportError as error:
        raise MissingExtraError.of("scale", "pyyaml") from error
    try:
        settings = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigError(f"{path}: can't be read as YAML ({error}).") from error
    if not isinstance(settings, dict):
        raise ConfigError(f"{path}: holds no settings; write them as `name: value`, a line each.")
    return settings
