"""From each published layout to features: every row is the picture taken at its place."""

import io

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from graticule.data.orbit.folder import render_folder
from graticule.data.orbit.mosaic import Mosaic
from graticule.data.orbit.views import Views
from graticule.data.sources.contract import open_source
from graticule.errors import InputError
from graticule.extract.encoder import find_encoder
from graticule.extract.run import extract, extract_scan

VIEWS = 20


def through_jpeg(picture):
    """(3, S, S) uint8 as it comes back from the file that such a layout has of it."""
    data = io.BytesIO()
    Image.fromarray(picture.permute(1, 2, 0).numpy()).save(data, "JPEG", quality=95)
    return torch.from_numpy(np.asarray(Image.open(data)).copy()).permute(2, 0, 1)


@pytest.mark.parametrize(
    ("layout", "source", "split", "stream", "views"),
    [
        ("folder", "folder", None, "test", VIEWS),
        ("im2gps", "im2gps3k", None, "test", VIEWS),
        ("yfcc4k", "yfcc4k", None, "test", VIEWS),
        ("mp16", "mp16", None, "train", VIEWS),
        ("osv5m", "osv5m", "train", "train", VIEWS * 4 // 5),
    ],
)
def test_a_layout_is_extracted(mosaic_file, encoder, tmp_path, layout, source, split, stream, views):
    render_folder(mosaic_file, tmp_path / "source", views=VIEWS, size=16, layout=layout)
    for _ in range(2):  # stopped, and resumed
        outcome = extract(
            source,
            tmp_path / "source",
            split=split,
            encoder=encoder,
            out=tmp_path / "out",
            shard_rows=7,
            stop_after_s=0 if not (tmp_path / "out").exists() else 99,
        )
    assert (outcome.records, outcome.done, outcome.refused, outcome.problems) == (views, views, 0, 0)
    shards = [load_file(path) for path in sorted((tmp_path / "out").glob("shard-*.safetensors"))]
    features, lat_lon = (torch.cat([shard[name] for shard in shards]) for name in ("features", "lat_lon"))
    pixels, pose = Views(Mosaic.open(mosaic_file, working_width=1350), stream, size=16).batch(
        np.arange(views)
    )
    places = torch.stack([pose.lat, pose.lon], dim=1)
    index = torch.cdist(lat_lon, places).argmin(1)
    assert sorted(index.tolist()) == list(range(views))
    torch.testing.assert_close(lat_lon, places[index], atol=1e-6, rtol=0)
    seen = pixels if layout == "folder" else torch.stack([through_jpeg(picture) for picture in pixels])
    expected = find_encoder(encoder).open().encode(seen)[index]
    torch.testing.assert_close(features.float(), expected, atol=1e-4, rtol=1e-3)
    if layout in ("mp16", "osv5m"):
        assert any(path.read_text().strip() for path in (tmp_path / "out").glob("shard-*.txt"))


def test_a_part_that_is_gone_since_the_scan_stops_the_run(mosaic_file, encoder, tmp_path):
    """Else a disk that comes loose would leave a folder of refusals, and finished."""
    render_folder(mosaic_file, tmp_path / "source", views=VIEWS, size=16, layout="mp16")
    tar = tmp_path / "source/mp-16-images.tar"
    data = tar.read_bytes()
    for number, part in enumerate((data[: len(data) // 2], data[len(data) // 2 :])):
        (tmp_path / f"source/mp-16-images{number:02d}").write_bytes(part)
    tar.unlink()
    scan = open_source("mp16", tmp_path / "source")
    (tmp_path / "source/mp-16-images01").rename(tmp_path / "loose")

    def extract_it():
        stored = find_encoder(encoder)
        return extract_scan(scan, tmp_path / "source", encoder=stored, out=tmp_path / "out", shard_rows=7)

    with pytest.raises(InputError, match="bring it back and run the same again"):
        extract_it()
    (tmp_path / "loose").rename(tmp_path / "source/mp-16-images01")
    assert extract_it().refused == 0
