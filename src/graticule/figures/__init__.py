"""Figures and pages.

| file | draws |
|---|---|
| `answers.py` | a photo, the world with the probability on it, the candidates |
| `calibration.py` | whether regions hold the truth as often as they say |
| `variogram.py` | a semivariogram and the curve fitted to it |
| `report.py` | an evaluation as one page, with `charts.py` and `error_map.py` |

The first three need matplotlib (extra `figures`), which is imported when one is made and never before. The page is
HTML and SVG, and needs nothing.
"""
