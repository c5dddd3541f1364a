"""Every way to answer that a report sets side by side: the model's own, and what the same features say without it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeAlias, get_args

import numpy as np
import torch
from torch import Tensor

from graticule.evaluation.baselines import FlatClassifier, neighbour_vote
from graticule.locator import Decode, answers
from graticule.model import Model
from graticule.retrieval.exact import ExactIndex

__all__ = ["GALLERY_FREE", "Method", "baselines", "decodings"]

Method: TypeAlias = Callable[[Tensor], Tensor]
"""(B, F) features -> (B, 2) degrees."""

GALLERY_FREE: Final = "flat classifier"
"""The baseline that does not ask the gallery."""
NEIGHBOURS = 15
"""k of the vote, for models whose cell model reads no neighbours itself."""
_BATCH = 256


def decodings(model: Model) -> dict[str, Method]:
    """The model's own answers."""

    def method(decode: Decode) -> Method:
        def answer(features: Tensor) -> Tensor:
            parts = torch.split(features, _BATCH)
            points = [answers(model, model.query_of_features(part), decode) for part in parts]
            return torch.from_numpy(np.concatenate(points))

        return answer

    return {f"{model.cell_model_name}, {decode}": method(decode) for decode in get_args(Decode)}


def baselines(model: Model) -> dict[str, Method]:
    """What the same features say without the cell model."""

    def vote(neighbours: int) -> Method:
        return lambda features: neighbour_vote(
            model.searched(features), model.gallery, model.index, neighbours=neighbours
        )

    def retrieve(features: Tensor) -> Tensor:
        """The gallery's place whose location vector is most similar to the picture (GeoCLIP, sec. 3.4)."""
        places = ExactIndex(model.location_vectors())
        return model.gallery.lat_lon[places.search(model.alignment.images(features), 1)[1][:, 0]]

    methods: dict[str, Method] = {}
    if model.config.gallery_of == "pictures":
        methods |= {"1-NN": vote(1), "k-NN vote": vote(model.config.neighbours or NEIGHBOURS)}
    methods["gallery retrieval"] = retrieve
    classifier = model.extras.get("baseline-classifier")
    if classifier is not None:
        methods[GALLERY_FREE] = FlatClassifier.restored(classifier).answer
    return methods
