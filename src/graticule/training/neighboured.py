"""Pictures of a folder of features, each with the neighbours that `graticule index` found for it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import cast

import torch
from torch import Tensor

from graticule.alignment.contract import ImageLocationAlignment
from graticule.errors import ConfigError
from graticule.retrieval.folder import VECTORS, open_index
from graticule.retrieval.neighbours import read_neighbours
from graticule.training.examples import Examples, gallery_widths
from graticule.training.shards import Records
from graticule.training.stored import StoredRows, matrices

__all__ = ["complete", "neighboured"]


def neighboured(
    records: Records,
    index: Path,
    *,
    alignment: ImageLocationAlignment,
    neighbours: int,
    encoder_digest: str | None = None,
) -> Examples:
    """All pictures of a folder of features; features, index and neighbours stay on disk.

    Vectors of neighbours are read, and not mapped as a search wants them: batch by batch all of the map would come to
    count as memory in use.

    Args:
        records: the pictures.
        index: the folder of their index, with neighbours.
        alignment: which the index was made with.
        neighbours: K, at most as many as the index has.
        encoder_digest: of the encoder of the features; None: it is not known.

    Raises:
        ConfigError: records, index and alignment do not belong together, or there are fewer neighbours.
        ModelError: the index can't be used.
    """
    gallery = open_index(index, encoder_digest=encoder_digest)
    if not torch.equal(gallery.lat_lon, records.lat_lon):
        raise ConfigError(f"{index}: an index of other pictures than these features; index them first.")
    rows, similarities = read_neighbours(index)
    if not 1 <= neighbours <= rows.shape[1]:
        raise ConfigError(
            f"{index}: holds {rows.shape[1]} neighbours a picture, but {neighbours} are asked for; "
            f"`graticule index ... --neighbours {neighbours}` finds them."
        )
    return Examples(
        records.features,
        records.lat_lon,
        rows=rows[:, :neighbours],
        similarities=similarities[:, :neighbours],
        alignment=alignment,
        gallery=gallery,
        widths=gallery_widths(alignment, records.features, gallery),
        chosen=torch.arange(len(records)),
        shown=replace(gallery, vectors=cast(Tensor, StoredRows([matrices(index / VECTORS)["vectors"]]))),
    )


def complete(pictures: Examples) -> Examples:
    """Those that have all their neighbours: where most of a picture's are near-duplicates, some can be missing.

    Raises:
        ConfigError: none has.
    """
    found = pictures.only((pictures.rows[pictures.chosen, -1] >= 0).nonzero()[:, 0])
    if not len(found):
        raise ConfigError(
            f"neighbours: none of {len(pictures)} pictures has {pictures.rows.shape[1]} that are not its "
            "near-duplicates; choose fewer, or give pictures of more places."
        )
    return found
