"""Read weights saved by the GeoToken authors' release, whose names are those of `torch.nn.Transformer`."""

from __future__ import annotations

import re
from collections.abc import Mapping

from torch import Tensor

from graticule.errors import ModelFormatError
from graticule.tokens.geotoken import GeoToken, GeoTokenConfig

__all__ = ["load_published"]

# Their name of each projection, and ours of the vector it reads.
VECTORS = {"image_proj": "image", "loc_proj": "location", "text_proj": "text"}

# Rewritten in this order, each on the result of the last.
RENAMED = (
    (r"^embedding\.", "token."),
    (r"^retrieval_embedding\.", "embed_memory.token."),
    (r"^start_token_embedding$", "start"),
    (r"^cls_token$", "embed_memory.cls"),
    (r"^output_layers\.", "heads."),
    *((rf"^{theirs}\.", f"embed_memory.project.{ours}.") for theirs, ours in VECTORS.items()),
    (r"^(en|de)coder\.layers\.", r"\1coder."),
    (r"\.self_attn\.", ".self_attention."),
    (r"\.multihead_attn\.", ".cross_attention."),
    (r"\.out_proj\.", ".out."),
    (r"\.linear1\.", ".feed_forward.0."),
    (r"\.linear2\.", ".feed_forward.3."),
    (r"\.norm1\.", ".self_step.norm."),
    (r"^(encoder\.\d+)\.norm2\.", r"\1.feed_step.norm."),
    (r"^(decoder\.\d+)\.norm2\.", r"\1.cross_step.norm."),
    (r"\.norm3\.", ".feed_step.norm."),
)

# Saved by the release, but without a part in its answer; positions are a formula.
UNUSED = re.compile(r"^(metadata_proj|coord_head|similarity_embedding|(en|de)coder_pos_encoder)\.")


def load_published(state: Mapping[str, Tensor], *, heads: int = 8, neighbours: int = 15) -> GeoToken:
    """A paper-design model with the weights of a release checkpoint.

    Widths, depths and levels are read off the shapes; the number of heads leaves no trace there.

    Args:
        state: The checkpoint's state dict, name to tensor.
        heads: Attention heads it was trained with.
        neighbours: Neighbours it was trained with.

    Raises:
        ModelFormatError: A weight is missing, unexpected or of the wrong shape.
    """
    try:
        config = GeoTokenConfig.paper(
            levels=tuple(range(0, 2 * _count(state, "output_layers"), 2)),
            vectors={ours: state[f"{theirs}.0.weight"].shape[1] for theirs, ours in VECTORS.items()},
            neighbours=neighbours,
            d_model=state["start_token_embedding"].shape[1],
            heads=heads,
            encoder_layers=_count(state, "encoder.layers"),
            decoder_layers=_count(state, "decoder.layers"),
            feed_forward=state["decoder.layers.0.linear1.weight"].shape[0],
        )
        model = GeoToken(config)
        model.load_state_dict(_renamed(state))
    except (KeyError, RuntimeError, ValueError) as error:
        raise ModelFormatError(f"not the weights of a published GeoToken model: {error}") from error
    return model


def _count(state: Mapping[str, Tensor], prefix: str) -> int:
    numbers = (re.match(rf"{re.escape(prefix)}\.(\d+)\.", name) for name in state)
    return len({found[1] for found in numbers if found})


def _renamed(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    result: dict[str, Tensor] = {}
    for name, weight in state.items():
        if UNUSED.match(name):
            continue
        for theirs, ours in RENAMED:
            name = re.sub(theirs, ours, name)
        if ".in_proj_" in name:  # queries, keys and values are stacked; we keep the queries apart
            width = len(weight) // 3
            result[name.replace("in_proj_", "query.")] = weight[:width]
            result[name.replace("in_proj_", "key_value.")] = weight[width:]
        else:
            result[name] = weight
    return result
