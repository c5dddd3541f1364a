"""Semivariograms of feature vectors over the Earth: how unlike two pictures are, by how far apart they were taken.

| file | one idea |
|---|---|
| `checks.py` | what goes in is checked |
| `lags.py` | where lags begin and end |
| `pairs.py` | pairs of points within reach, to draw from |
| `empirical.py` | dissimilarity averaged by lag |
| `models.py` | curves for it |
| `fit.py` | the curve that fits best |
"""

from graticule.earth.variogram.empirical import Dissimilarity, Empirical, empirical_semivariogram
from graticule.earth.variogram.fit import (
    KINDS,
    Fit,
    Weights,
    best,
    fit_model,
    fit_models,
    fit_variogram,
)
from graticule.earth.variogram.lags import Spacing, lag_edges
from graticule.earth.variogram.models import Kind, MonotoneModel, ParametricModel, VariogramModel

__all__ = [
    "KINDS",
    "Dissimilarity",
    "Empirical",
    "Fit",
    "Kind",
    "MonotoneModel",
    "ParametricModel",
    "Spacing",
    "VariogramModel",
    "Weights",
    "best",
    "empirical_semivariogram",
    "fit_model",
    "fit_models",
    "fit_variogram",
    "lag_edges",
]
