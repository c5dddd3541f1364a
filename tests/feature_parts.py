"""A folder of features, an alignment for them, and their index, small, for tests of what learns from them."""

import numpy as np

COUNT, WIDTH = 120, 16


GEOTOKEN = {
    "geotoken": {
        "levels": [0, 2, 4],
        "neighbours": 4,
        "d_model": 16,
        "heads": 2,
        "encoder_layers": 1,
        "decoder_layers": 1,
        "feed_forward": 32,
    },
    "batch": 24,
    "epochs": 2,
    "validation_share": 0.2,
}
"""Settings of a GeoToken that learns from them."""


def make_parts(folder, width=WIDTH):
    """Write features/, alignment/ and index/ with 15 neighbours a picture into a folder."""
    import torch
    from safetensors.torch import save_file

    from graticule.alignment.location import LocationEncoderConfig
    from graticule.alignment.spaces import SpacesAlignment, SpacesAlignmentConfig
    from graticule.retrieval.neighbours import NeighbourConfig
    from graticule.training.index import index_folder

    random = np.random.default_rng(0)
    lat_lon = torch.from_numpy(random.uniform((-60, -180), (75, 180), (COUNT, 2)))
    features = torch.randn(COUNT, width, generator=torch.Generator().manual_seed(0)).half()
    # Rows 0 to 7 are one picture eight times: its neighbours are to be found beyond its twins.
    features[1:8], lat_lon[1:8] = features[0], lat_lon[0]
    (folder / "features").mkdir()
    for number, rows in enumerate(torch.arange(COUNT).split(70)):
        path = folder / "features" / f"shard-{number:08d}.safetensors"
        save_file({"features": features[rows], "lat_lon": lat_lon[rows]}, path)
    torch.manual_seed(0)
    location = LocationEncoderConfig(sigmas=(1.0, 3.0), frequencies=8, hidden=16, layers=1, width=width)
    config = SpacesAlignmentConfig(feature_width=width, hidden=width, location=location, text_width=width)
    SpacesAlignment(config).save(folder / "alignment", about={}, card="")
    assert index_folder(
        folder / "features",
        folder / "index",
        alignment=str(folder / "alignment"),
        neighbours=NeighbourConfig(count=15),
        report=lambda line: None,
    )
    return folder
