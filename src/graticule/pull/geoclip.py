"""GeoCLIP as a model of Graticule: heads and gallery of the package, CLIP's vision tower, no training."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import torch
from torch import Tensor

from graticule.alignment.geoclip import GeoClipAlignment
from graticule.encoders.clip import ClipEncoder
from graticule.errors import InputError, MissingExtraError, ModelFormatError, ModelNotFoundError
from graticule.model import Model, ModelConfig
from graticule.pull import tower, wheel
from graticule.pull.item import Item, Plan
from graticule.registry import OFFERS
from graticule.retrieval.gallery import Gallery
from graticule.store import make_folder, models_folder
from graticule.tokens.gallery import GalleryCellModelConfig

__all__ = ["assemble", "plan", "pull"]

NAME: Final = "geoclip"
CLIP: Final = tower.OPENAI
ROWS: Final = 4096
"""Places encoded at once."""
STORED_BYTES: Final = 1_600_000_000
"""What the model takes on disk at most: the tower may or may not fit in half precision without loss."""

_CARD: Final = """\
# Model card: geoclip

**What it is.** GeoCLIP (Vivanco Cepeda, Nayak and Shah, NeurIPS 2023) with its published weights, for photographs
taken on the ground. A picture is compared with {rows:,} places by contrast; the softmax over them is summed by cell.
Its answers are estimates.

**What came from where.**

| part | from | licence |
|---|---|---|
| heads, temperature, gallery coordinates | {requirement} on PyPI, SHA-256 {wheel_sha256} | MIT |
| vision tower of CLIP ViT-L/14 | {clip} | MIT (OpenAI) |

The gallery's location vectors were computed from these once, when the model was installed. No weight was trained or
changed. `manifest.json` holds the digests of the files as they were written then.

**Accuracy.** As published, share of photos within 1/25/200/750/2500 km: Im2GPS3k 14.1/34.5/50.7/69.7/83.8 %, YFCC4k
9.6/19.3/32.6/55.0/74.7 %. An independent rerun of Im2GPS3k with a single crop: 13.1/32.2/48.1/66.6/82.3 %. Graticule
has not measured it.

**Limits.** Trained on MP-16, 4.7 million photos from Flickr, which cover the Earth unevenly. It knows the gallery's
places and none between them. Its probabilities were not calibrated.
"""


def plan(name: str, *, clip: Path | None = None, wheel: Path | None = None) -> Plan:
    """What installing a published model will take; nothing is fetched.

    Args:
        name: of the model.
        clip: a local copy of CLIP ViT-L/14 in the Hugging Face layout, to be used instead of the hub's.
        wheel: a local copy of the package's wheel, to be used instead of the index's.

    Raises:
        ModelNotFoundError: no such model can be fetched.
        ConfigError: HF_ENDPOINT is not an address.
        InputError: a local copy does not exist.
    """
    if name != NAME:
        raise ModelNotFoundError(f"{name}: not a model that can be fetched; there is: {NAME}.")
    folder = models_folder() / NAME
    return Plan(NAME, (_wheel_item(wheel), _clip_item(clip)), folder, _is_model(folder), clip, wheel)


def pull(
    plan: Plan,
    *,
    report: Callable[[str], None] = lambda line: None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Path:
    """Fetch, check, convert and install a model. If it is installed already, nothing is done.

    What was fetched before an interruption is kept beside the models and used by the next call; the model's folder
    appears whole.

    Args:
        plan: as `plan` made it.
        report: told each step.
        progress: told (done, total) bytes fetched.

    Returns:
        The model's folder.

    Raises:
        MissingExtraError: transformers is not installed.
        InputError: something can't be reached, read or written, or there is no room.
        ModelFormatError: something is not what was published.
    """
    if _is_model(plan.folder):
        report(f"{plan.folder} holds {plan.name} already: nothing to do.")
        return plan.folder
    if find_spec("transformers") is None:
        raise MissingExtraError.of("clip", "transformers")
    _check_room(plan)
    try:
        _install(plan, report, progress)
    except OSError as error:
        raise InputError(
            f"{error.filename or plan.folder.parent}: can't be written ({error.strerror or error}); what has arrived "
            "is kept: mend that and run the command again."
        ) from error
    return plan.folder


def _install(plan: Plan, report: Callable[[str], None], progress: Callable[[int, int], None]) -> None:
    work = _work(plan)
    make_folder(work)
    alignment, coordinates = wheel.read_wheel(_wheel_file(plan, work, report))
    encoder, origin = _encoder(plan, work, report, progress)
    report(f"Encoding {len(coordinates):,} places")
    model = assemble(encoder, alignment, coordinates)
    report("Writing the model")
    card = _CARD.format(
        rows=len(coordinates), requirement=wheel.REQUIREMENT, wheel_sha256=wheel.SHA256, clip=origin
    )
    model.save(
        work / "model",
        card=card,
        packing={"encoder": "exact", "alignment": "float32", "gallery": "float32"},
    )
    (work / "model").replace(plan.folder)
    shutil.rmtree(work, ignore_errors=True)


@torch.inference_mode()
def assemble(encoder: ClipEncoder, alignment: GeoClipAlignment, coordinates: Tensor) -> Model:
    """The model whose gallery is of places: the softmax of their similarity to a picture, by cell.

    Args:
        encoder: the vision tower.
        alignment: the published heads.
        coordinates: (N, 2) float64 degrees, the gallery.
    """
    vectors = torch.cat([alignment.locations(part) for part in torch.split(coordinates, ROWS)])
    config = ModelConfig(
        name=NAME,
        domain=OFFERS[NAME].domain,
        purpose="Photographs taken on the ground, anywhere on Earth; not views from above, maps or drawings.",
        licence=OFFERS[NAME].licence,
        encoder=encoder.config,
        alignment=alignment.config,
        gallery_cells=GalleryCellModelConfig(),
        gallery_of="places",
        gallery_rows=len(coordinates),
    )
    return Model(config, encoder, alignment, Gallery(coordinates, vectors))


def _wheel_item(path: Path | None) -> Item:
    what = "GeoCLIP's heads and its gallery of 100,000 places"
    if path is not None:
        return Item(what, str(path), _length(path), "MIT", local=True)
    return Item(what, f"PyPI: {wheel.REQUIREMENT} (by pip)", wheel.BYTES, "MIT")


def _clip_item(folder: Path | None) -> Item:
    what = "CLIP ViT-L/14, of which the vision tower is kept"
    if folder is not None:
        size = sum(_length(path) for path in folder.glob("*.safetensors"))
        return Item(what, str(folder), size, "MIT", local=True)
    source = f"{tower.hub()}/{CLIP.repository} at {CLIP.revision[:7]}"
    return Item(what, source, CLIP.weights_bytes, "MIT")


def _length(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError as error:
        raise InputError(f"{path}: can't be read ({error.strerror}); check the path.") from error


def _work(plan: Plan) -> Path:
    """Where things lie until the model is whole."""
    return plan.folder.with_name(f".{plan.name}.part")


def _is_model(folder: Path) -> bool:
    return (folder / "manifest.json").is_file()


def _check_room(plan: Plan) -> None:
    parent = plan.folder.parent
    make_folder(parent)
    if plan.folder.exists():
        raise InputError(
            f"{plan.folder}: is there, but is not a model; move it away and run the command again."
        )
    arrived = sum(path.stat().st_size for path in _work(plan).rglob("*") if path.is_file())
    needed = max(0, plan.total_bytes + STORED_BYTES - arrived)
    free = shutil.disk_usage(parent).free
    if free < needed:
        raise InputError(
            f"{parent}: {free / 1e9:.1f} GB are free and {needed / 1e9:.1f} GB are needed for a while; make room, or "
            "name another folder in the environment variable GRATICULE_MODELS."
        )


def _wheel_file(plan: Plan, work: Path, report: Callable[[str], None]) -> Path:
    if plan.wheel is not None:
        return plan.wheel
    report(f"Fetching {wheel.REQUIREMENT}")
    return wheel.fetch_wheel(work)


def _encoder(
    plan: Plan, work: Path, report: Callable[[str], None], progress: Callable[[int, int], None]
) -> tuple[ClipEncoder, str]:
    """The tower, and what the card says of its origin."""
    if plan.clip is not None:
        report(f"Reading {plan.clip}")
        encoder = ClipEncoder.from_folder(plan.clip)
        if encoder.config != CLIP.sizes:
            raise ModelFormatError(f"{plan.clip}: not a CLIP ViT-L/14 at 224 pixels; give {CLIP.repository}.")
        origin = _local_origin(plan.clip)
        report(f"CLIP: {origin}")
        return encoder, origin
    report(f"Fetching {CLIP.repository}")
    before = plan.total_bytes - CLIP.weights_bytes
    tower.fetch_clip(CLIP, work / "clip", progress=lambda done, _: progress(before + done, plan.total_bytes))
    origin = f"{tower.hub()}/{CLIP.repository} at {CLIP.revision}, SHA-256 {CLIP.weights_sha256}"
    return ClipEncoder.from_folder(work / "clip"), origin


def _local_origin(folder: Path) -> str:
    path = folder / "model.safetensors"
    if not path.is_file():
        return "a local copy in several files, not checked against the published one"
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    same = "is that of" if digest == CLIP.weights_sha256 else "is not that of"
    return f"a local copy whose SHA-256, {digest}, {same} {CLIP.repository} at {CLIP.revision}"
