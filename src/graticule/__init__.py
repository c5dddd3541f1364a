"""Graticule: where on Earth was this picture taken, and how sure are we?

Example:
    >>> from graticule import Geolocator  # doctest: +SKIP
    >>> for result in Geolocator.load("orbit").locate(["pictures/"]):  # doctest: +SKIP
    ...     print(result)

The names below are loaded when first used, so that `import graticule` costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from graticule.earth.cells import TokenScheme as TokenScheme
    from graticule.errors import GraticuleError as GraticuleError
    from graticule.evaluation.report import evaluate as evaluate
    from graticule.locator import Geolocator as Geolocator
    from graticule.locator import list_models as list_models
    from graticule.prediction import Candidate as Candidate
    from graticule.prediction import Prediction as Prediction
    from graticule.prediction import Refusal as Refusal

_HOMES = {
    "Candidate": "graticule.prediction",
    "Geolocator": "graticule.locator",
    "GraticuleError": "graticule.errors",
    "Prediction": "graticule.prediction",
    "Refusal": "graticule.prediction",
    "TokenScheme": "graticule.earth.cells",
    "evaluate": "graticule.evaluation.report",
    "list_models": "graticule.locator",
}

__all__ = [
    "Candidate",
    "Geolocator",
    "GraticuleError",
    "Prediction",
    "Refusal",
    "TokenScheme",
    "evaluate",
    "list_models",
]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'graticule' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return __all__
