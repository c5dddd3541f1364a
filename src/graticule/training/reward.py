"""Training the reward model: samples of a GeoToken, and whether each is near the truth.

Three stages: pictures with their neighbours (`reward_pictures`), samples of each (`reward_samples`), and the training
itself (`reward_task`).
"""

from __future__ import annotations

import hashlib
import json
import math
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final, Protocol

from torch import nn

from graticule.errors import ConfigError
from graticule.model import Model
from graticule.store import make_folder, write_whole
from graticule.tokens.geotoken import GeoToken
from graticule.tokens.reward import RewardModel
from graticule.training.best import load_best
from graticule.training.distributed import (
    agreed,
    chosen_device,
    is_main,
    join_processes,
    main_first,
    only_main,
)
from graticule.training.examples import Examples
from graticule.training.loop import train
from graticule.training.one_run import one_run
from graticule.training.reward_samples import Samples
from graticule.training.reward_task import RewardRecipe, RewardTask

__all__ = ["Pictures", "RewardRecipe", "default_near_km", "train_reward"]

_NEAR_KM: Final = {"views from above": 50.0}
"""By a model's domain. Of Orbit's samples nearly all are within the 200 km of photos, which would tell nothing."""


def default_near_km(model: Model) -> float:
    """What "near" means where nobody says: 50 km for views from above, else 200 km (GeoToken, sec. III-C)."""
    return _NEAR_KM.get(model.config.domain, 200.0)


class Pictures(Protocol):
    """Where pictures of known places come from."""

    @property
    def told(self) -> str:
        """What they are, in a few words for the card."""
        ...

    def digest(self, run: Path) -> str:
        """SHA-256 of what they are made from: others can't go on with what `run` keeps of these."""
        ...

    def examples(
        self, model: Model, recipe: RewardRecipe, run: Path, *, report: Callable[[str], None], deadline: float
    ) -> tuple[Examples, Examples] | None:
        """Those to learn from and those to judge by; processes share the work.

        Args:
            model: whose samples are judged.
            recipe: says how many.
            run: a folder that keeps what took long.
            report: gets lines of progress.
            deadline: on the monotonic clock; None is given back if it came first.
        """
        ...


def train_reward(
    model: Model,
    pictures: Pictures,
    out: Path,
    recipe: RewardRecipe,
    *,
    report: Callable[[str], None] = print,
    stop_after_s: float = math.inf,
) -> bool:
    """Train a reward model; `out/run` keeps what a stopped run needs to go on.

    Args:
        model: has a GeoToken.
        pictures: where pictures of known places come from.
        out: the folder to write, for `RewardModel.from_folder`.
        recipe: settings.
        report: gets lines of progress.
        stop_after_s: stop, resumable, after so many seconds.

    Returns:
        Whether it is finished.

    Raises:
        ConfigError: the model has no GeoToken, or the folder's run had other settings, pictures or another model.
        InputError: another run holds the folder.
    """
    deadline = time.monotonic() + stop_after_s
    geotoken, run = _geotoken(model), out / "run"
    join_processes(recipe.device)
    report = only_main(report)
    with one_run(out / "run", out):
        with main_first():
            make_folder(out)
            _same_run(run, recipe, model, pictures.digest(run))
        found = pictures.examples(model, recipe, run, report=report, deadline=deadline)
        # All stop, or none: one that went on alone would wait for the others.
        if agreed(found is None):
            return False
        assert found is not None
        sets = []
        geotoken.to(chosen_device(recipe.device))
        for split, part in zip(("train", "validation"), found, strict=True):
            report(f"{split}: {recipe.samples} samples of each of {len(part)} pictures")
            samples = Samples.kept(
                geotoken,
                part,
                run / f"{split}-samples",
                sampling=recipe.sampling(),
                report=report,
                deadline=deadline,
            )
            if samples is None:
                return False
            sets.append((part, samples))
        task = RewardTask(recipe, geotoken.cpu(), *sets)
        left_s = deadline - time.monotonic()
        result = train(task, recipe.training(len(sets[0][0])), run, report=report, stop_after_s=left_s)
        if not result.finished:
            return False
        if is_main():
            _finish(task, model, out, recipe, told=pictures.told, report=report)
        return True


def _finish(
    task: RewardTask,
    model: Model,
    out: Path,
    recipe: RewardRecipe,
    *,
    told: str,
    report: Callable[[str], None],
) -> None:
    load_best(task.model, out / "run")
    about = {
        "model": model.config.name,
        "geotoken_digest": model.geotoken_digest,
        "recipe": recipe.model_dump(mode="json"),
    }
    task.model.save(out, about=about, card="not judged yet\n")
    # What is judged is what was written, after rounding.
    task.model = RewardModel.from_folder(out)
    figures = task.validate()
    report(_told(figures, recipe))
    card = _card(model, recipe, figures, pictures=told)
    task.model.save(out, about={**about, "validation": figures}, card=card)


def _geotoken(model: Model) -> GeoToken:
    if model.geotoken is None:
        raise ConfigError(
            f"{model.config.name}: its cell model is the gallery, but a reward model starts from a GeoToken; "
            "choose a model that has one."
        )
    return model.geotoken


def _same_run(run: Path, recipe: RewardRecipe, model: Model, pictures: str) -> None:
    """A folder belongs to one recipe, one model and one set of pictures: samples and weights of others do not fit."""
    digest = hashlib.sha256(pictures.encode())
    digest.update(model.gallery.lat_lon.contiguous().numpy().data)
    for part in (model.geotoken, model.alignment):
        for tensor in part.state_dict().values() if isinstance(part, nn.Module) else ():
            digest.update(tensor.cpu().contiguous().numpy().data)
    path = run / "run.json"
    settings = {"recipe": recipe.model_dump(mode="json", exclude={"device"}), "data": digest.hexdigest()}
    text = json.dumps(settings, indent=2) + "\n"
    if path.exists() and path.read_text(encoding="utf-8") != text:
        raise ConfigError(
            f"{path}: this folder's run has other settings, other pictures or another model; name another folder, or "
            "delete it."
        )
    write_whole(path, text.encode())


def _told(figures: Mapping[str, float], recipe: RewardRecipe) -> str:
    return (
        f"validation: {figures['near']:.1%} of samples are within {recipe.near_km:g} km; told from the others with "
        f"accuracy {figures['accuracy']:.1%} and AUC {figures['auc']:.3f}; the sample it chooses has a mean GeoScore "
        f"of {figures['geoscore']:.0f}"
    )


_CARD: Final = """\
# Reward model for {name}

**What it is.** A copy of {name}'s GeoToken, trained on to tell of a place whether it is within {near_km:g} km of where
a picture was taken. It chooses among candidates of that model, and is of no use to others.

**Data.** {samples} samples at temperature {temperature:g} of each of at most {views} {pictures}. Its licence is that of
the model: {licence}.

**Result** on at most {validation_views} others of them, from the files as written. {told}.

**Settings.**

```json
{recipe}
```
"""


def _card(model: Model, recipe: RewardRecipe, figures: Mapping[str, float], *, pictures: str) -> str:
    return _CARD.format(
        pictures=pictures,
        name=model.config.name,
        licence=model.config.licence,
        told=_told(figures, recipe).removeprefix("validation: "),
        recipe=recipe.model_dump_json(indent=2),
        **recipe.model_dump(),
    )
