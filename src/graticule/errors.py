"""Every error Graticule raises on purpose.

    GraticuleError
    ├── InputError            something the user gave is wrong
    │   ├── PictureError      a picture can't be read, or must not be
    │   ├── CoordinateError   a latitude, longitude, cell or token that does not exist
    │   └── TableError        a CSV or JSON file lacks what it should hold
    ├── ConfigError           a setting, or a combination of settings, makes no sense
    ├── ModelError            a model folder can't be used
    │   ├── ModelNotFoundError
    │   └── ModelFormatError  damaged, or its parts do not belong together
    └── MissingExtraError     a part of Graticule that is installed separately is not there

A message names the file or field, says what is wrong with it, and what to do.
"""

from __future__ import annotations

__all__ = [
    "ConfigError",
    "CoordinateError",
    "GraticuleError",
    "GraticuleWarning",
    "InputError",
    "MissingExtraError",
    "ModelError",
    "ModelFormatError",
    "ModelNotFoundError",
    "PictureError",
    "TableError",
]


class GraticuleError(Exception):
    """The root: catch this to catch everything Graticule raises on purpose."""


class GraticuleWarning(UserWarning):
    """Something the user should know that does not stop the work."""


class InputError(GraticuleError):
    """Something the user gave is wrong."""


class PictureError(InputError):
    """A picture can't be read, or must not be (too large, not a picture)."""


class CoordinateError(InputError, ValueError):
    """A latitude, longitude, cell id or token that does not exist."""


class TableError(InputError):
    """A CSV or JSON file lacks what it should hold."""


class ConfigError(GraticuleError, ValueError):
    """A setting, or a combination of settings, makes no sense."""


class ModelError(GraticuleError):
    """A model folder can't be used."""


class ModelNotFoundError(ModelError):
    """No model of that name, and no folder at that path."""


class ModelFormatError(ModelError):
    """A model folder is damaged, or its parts do not belong together."""


class MissingExtraError(GraticuleError, ImportError):
    """A part of Graticule that is installed separately is not there.

    Example:
        >>> raise MissingExtraError.of("figures", "matplotlib")  # doctest: +SKIP
    """

    @classmethod
    def of(cls, extra: str, package: str) -> MissingExtraError:
        """The error that says which extra brings `package`."""
        return cls(f"{package} is not installed: pip install 'graticule[{extra}]' brings it.")
