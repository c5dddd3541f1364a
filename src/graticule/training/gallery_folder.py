"""From an alignment to a model that answers with places it knows: what `graticule train gallery` does."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
from pydantic import ValidationError

from graticule.alignment.stored import open_alignment
from graticule.errors import ConfigError
from graticule.model import Model, ModelConfig
from graticule.retrieval.gallery import Gallery
from graticule.store import make_folder
from graticule.tokens.gallery import GalleryCellModelConfig
from graticule.training.shards import read_records
from graticule.training.source_encoder import source_encoder

__all__ = ["make_gallery_model"]

_AT_ONCE = 8192

_CARD = """\
# Model card: gallery

**What it is.** An alignment of pictures and places, which answers with a softmax over {rows:,} places (GeoCLIP's way),
for {domain}. Its answers are estimates, and never other than these places. It holds their coordinates.

**Data.** Places of the pictures in {features}, drawn with a seed. Its licence: {licence}.

**Command.** `graticule train gallery`.
"""


def make_gallery_model(
    features: Path,
    out: Path,
    *,
    alignment: str,
    places: int = 100_000,
    encoder: str | None = None,
    seed: int = 0,
    domain: str = "photos",
    licence: str = "not stated",
    report: Callable[[str], None] = print,
) -> None:
    """Write a model whose gallery is the places of some pictures, as the alignment's location encoder sees them.

    Args:
        features: shards; their places are what may be answered.
        out: the model folder to write.
        alignment: a model, or what `graticule align` wrote.
        places: at most so many, drawn alike from all pictures.
        encoder: a model or a folder, whose encoder made the features; None: what `extract.json` names.
        seed: of the draw.
        domain: what pictures it is for, in a few words.
        licence: of the weights.
        report: gets lines of progress.

    Raises:
        ConfigError: the parts do not belong together.
        InputError: the features can't be used.
        ModelError: alignment or encoder can't be.
    """
    make_folder(out)
    source = source_encoder(features, encoder)
    opened = source.open()
    aligned, _ = open_alignment(alignment, encoder_digest=source.digest)
    lat_lon = read_records(features).lat_lon
    drawn = torch.randperm(len(lat_lon), generator=torch.Generator().manual_seed(seed))[:places].sort().values
    lat_lon = lat_lon[drawn]
    with torch.no_grad():
        vectors = torch.cat([aligned.locations(part) for part in torch.split(lat_lon, _AT_ONCE)])
    try:
        config = ModelConfig(
            name="gallery",
            domain=domain,
            purpose=f"{domain}, as in {features.resolve().name}",
            licence=licence,
            encoder=opened.config,  # type: ignore[attr-defined]
            alignment=aligned.config,  # type: ignore[attr-defined]
            gallery_cells=GalleryCellModelConfig(),
            gallery_of="places",
            gallery_rows=len(lat_lon),
            encoder_digest=source.digest,
        )
    except ValidationError as error:
        raise ConfigError("; ".join(found["msg"] for found in error.errors())) from error
    model = Model(config=config, encoder=opened, alignment=aligned, gallery=Gallery(lat_lon, vectors))
    card = _CARD.format(rows=len(lat_lon), domain=domain, features=features.resolve().name, licence=licence)
    model.save(out, card=card, packing={"gallery": "float16"})
    report(f"{len(lat_lon):,} places")
