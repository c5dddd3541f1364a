"""The encoder that features were made with, found again to go into a model folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from graticule.encoders.clip import ClipEncoder
from graticule.encoders.contract import ImageEncoder
from graticule.errors import ConfigError
from graticule.extract.encoder import find_encoder
from graticule.extract.finished import finished_plan
from graticule.extract.plan import PLAN
from graticule.model import Model

__all__ = ["SourceEncoder", "source_encoder"]


@dataclass(frozen=True)
class SourceEncoder:
    """An encoder on disk.

    Attributes:
        name: of a model, or a folder.
        digest: SHA-256 of its settings and weights, in hexadecimal.
        told: whether the features themselves name it.
    """

    name: str
    digest: str
    told: bool

    def open(self) -> ImageEncoder:
        """The encoder as it can be saved again."""
        folder = Path(self.name)
        if (folder / "config.json").is_file() and not (folder / "manifest.json").exists():
            return ClipEncoder.from_folder(folder)
        return Model.open(self.name).encoder


def source_encoder(features: Path, named: str | None) -> SourceEncoder:
    """The encoder of a folder of features.

    Args:
        features: the folder, whose `extract.json` names it if `graticule extract` wrote it.
        named: a model or a folder; None: what the features name.

    Raises:
        ConfigError: nothing names it, or the features are of another.
        InputError: their extraction is not finished.
        ModelError: there is none of that name, or it is damaged.
    """
    plan = finished_plan(features)
    name = named or (plan and plan.encoder)
    if not name:
        raise ConfigError(
            f"{features}: no {PLAN} names the encoder of these features; name it with --encoder."
        )
    digest = find_encoder(name).digest
    if plan is not None and plan.encoder_digest != digest:
        raise ConfigError(
            f"{name}: not the encoder these features were made with, as {features / PLAN} tells it; name that one "
            "with --encoder."
        )
    return SourceEncoder(name, digest, told=plan is not None)
