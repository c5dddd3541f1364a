"""Which model answers for one's own photos: the one that finds the true places of photos it has not seen likeliest."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Final, Literal, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from graticule.earth import s2
from graticule.earth.cell_size import cell_areas_km2
from graticule.evaluation.calibration_fit import fit_temperature, true_token_log_probs
from graticule.model import Model, ModelConfig
from graticule.retrieval.gallery import Gallery
from graticule.tokens.gallery import GalleryCellModelConfig

__all__ = ["Candidate", "Part", "candidates"]

TEMPERATURES: Final = (0.01, 0.02, 0.04, 0.08, 0.16)
EPSILONS: Final = (0.01, 0.1)

GalleryOf: TypeAlias = Literal["pictures", "places"]


@dataclass(frozen=True)
class Part:
    """Some of the photos: features (N, F) and places (N, 2) degrees."""

    features: Tensor
    lat_lon: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.features)


@dataclass(frozen=True)
class Candidate:
    """A model that could be the one, and how likely it finds the true places of photos it has not seen.

    Attributes:
        words: what it is.
        model: of the base as it is, with its calibration; of the others, without any.
        nats: mean negative log-likelihood per km2, under the best temperatures; the less the better.
    """

    words: str
    model: Model
    nats: float


def candidates(
    base: Model, tuned: Any, learning: Part, calibration: Part, *, name: str, photos: str
) -> Iterator[Candidate]:
    """The base model as it is, and galleries with the photos: theirs alone or with the base's, by either heads.

    Args:
        base: the base model.
        tuned: its alignment with the head fine-tuned.
        learning: what galleries hold.
        calibration: what candidates are compared on.
        name: of the new model.
        photos: what they are, in a word.
    """
    said = {
        "name": name,
        "domain": f"photos like those of {photos}",
        "purpose": f"photos taken where those of {photos} were taken, and like them; not others",
    }
    unchanged = replace(base, config=base.config.model_copy(update=said))
    yield Candidate(f"{base.config.name} as it is", unchanged, _nats(unchanged, calibration))
    for heads, alignment in (("as they were", base.alignment), ("fine-tuned", tuned)):
        for gallery_of, gallery in _galleries(base, alignment, learning).items():
            words = {"pictures": "a gallery of the photos", "places": "a gallery of the places of both"}
            model, nats = _answering(base, alignment, gallery, gallery_of, calibration, said)
            yield Candidate(f"{words[gallery_of]}, heads {heads}", model, nats)


@torch.inference_mode()
def _galleries(base: Model, alignment: Any, learning: Part) -> dict[GalleryOf, Gallery]:
    """What photos could be compared with: the photos learned from, or the places of these and of the base."""
    own = torch.from_numpy(learning.lat_lon)
    places = torch.cat([base.gallery.lat_lon, own])
    vectors = torch.cat([alignment.locations(part) for part in torch.split(places, 8192)])
    return {
        "pictures": Gallery(own, alignment.images(learning.features)),
        "places": Gallery(places, vectors),
    }


def _answering(
    base: Model,
    alignment: Any,
    gallery: Gallery,
    gallery_of: GalleryOf,
    calibration: Part,
    said: dict[str, str],
) -> tuple[Model, float]:
    """The model with this gallery, at the temperature and epsilon that suit best, and its nats."""
    settings = [(t, e) for t in TEMPERATURES for e in EPSILONS]

    def model(temperature: float, epsilon: float) -> Model:
        config = ModelConfig(
            name=said["name"],
            domain=said["domain"],
            purpose=said["purpose"],
            licence=base.config.licence,
            encoder=base.config.encoder,
            alignment=base.config.alignment,
            gallery_cells=GalleryCellModelConfig(temperature=temperature, epsilon=epsilon),
            gallery_of=gallery_of,
            gallery_rows=len(gallery),
        )
        return Model(config, base.encoder, alignment, gallery)

    tried = {setting: _nats(model(*setting), calibration) for setting in settings}
    best = min(tried, key=lambda setting: tried[setting])
    return model(*best), tried[best]


@torch.inference_mode()
def _nats(model: Model, part: Part) -> float:
    """Mean negative log-likelihood of the true places per km2, each token at the temperature that suits them best.

    A density is the probability of the finest cell that holds the truth, spread evenly over that cell.
    """
    cells, query = model.cell_model, model.query_of_features(part.features)
    likelihood = torch.zeros(len(part), dtype=torch.float64)
    for log_probs, token in true_token_log_probs(cells, query, lat_lon=part.lat_lon):
        tempered = (log_probs / fit_temperature(log_probs, token)).log_softmax(1)
        likelihood += tempered.gather(1, token[:, None])[:, 0]
    finest = s2.cell_ids(*part.lat_lon.T, level=cells.scheme.levels[-1])
    return float(np.mean(np.log(cell_areas_km2(finest)) - likelihood.numpy()))
