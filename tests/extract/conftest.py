"""A source as small as can be, a folder with pictures and places.parquet, and an encoder to match."""

import json

import numpy as np
import pytest
from PIL import Image

COUNT, SHARD_ROWS = 21, 8


@pytest.fixture(scope="session")
def encoder(tmp_path_factory):
    """A model folder that holds an encoder and nothing else."""
    return make_encoder(tmp_path_factory.mktemp("encoder"), seed=0)


@pytest.fixture(scope="session")
def other_encoder(tmp_path_factory):
    """Another of the same form."""
    return make_encoder(tmp_path_factory.mktemp("other"), seed=1)


def make_encoder(folder, *, seed):
    import torch

    from graticule.encoders.orbit import OrbitEncoder, OrbitEncoderConfig
    from graticule.store import save_folder

    torch.manual_seed(seed)
    config = OrbitEncoderConfig(size=16, widths=(8, 8), depths=(1, 1), squeeze=8, width=12, turns=2)
    tensors = OrbitEncoder(config).state_dict()
    save_folder(folder, {"encoder": config.model_dump(mode="json")}, {"encoder": tensors})
    return str(folder)


@pytest.fixture(scope="session")
def pictures(tmp_path_factory):
    """21 pictures; numbers 5 and 13 can't be read. Not to be changed."""
    folder = tmp_path_factory.mktemp("pictures")
    make_source(folder)
    return folder


@pytest.fixture
def own_pictures(tmp_path):
    """The same, to be changed."""
    make_source(tmp_path / "pictures")
    return tmp_path / "pictures"


def make_source(folder):
    import pyarrow as pa
    import pyarrow.parquet as pq

    from graticule.data.sources.contract import SCHEMA

    folder.mkdir(exist_ok=True)
    random = np.random.default_rng(0)
    rows = []
    for number in range(COUNT):
        name = f"p{number:02d}.png"
        Image.fromarray(random.integers(0, 256, (20, 24, 3), dtype=np.uint8)).save(folder / name)
        place = {"latitude": number - 10.0, "longitude": 7.0 * number}
        labels = {"city": "Sankt\nPölten", "country": "AT"} if number % 2 else {}
        rows.append(
            {"id": f"id{number}", "container": name, "member": "", "offset": -1, "size": -1} | place | labels
        )
    (folder / "p05.png").write_bytes(b"<html>")
    (folder / "p13.png").write_bytes((folder / "p13.png").read_bytes()[:200])
    pq.write_table(pa.Table.from_pylist(rows, SCHEMA), folder / "places.parquet")


@pytest.fixture
def toy(monkeypatch):
    """Makes every source the small one."""
    import pyarrow.parquet as pq

    from graticule.data.sources.contract import Problems, Scan
    from graticule.extract import run

    def scan(name, path, split):
        return Scan(name, pq.read_table(path / "places.parquet"), Problems.of())

    monkeypatch.setattr(run, "open_source", scan)


@pytest.fixture
def extract(toy, pictures, encoder):
    """Extract the small source; gives the outcome."""
    from graticule.extract.run import extract

    def extract_toy(out, *, path=pictures, source="toy", **changed):
        return extract(source, path, out=out, **{"encoder": encoder, "shard_rows": SHARD_ROWS, **changed})

    return extract_toy


@pytest.fixture(scope="session")
def contents():
    """What a folder of features holds: name -> bytes, without what is of the run and not of the features."""

    def contents(folder):
        found = {
            path.name: path.read_bytes()
            for path in folder.iterdir()
            if path.name not in (".lock", "ledger.jsonl")
        }
        lines = (folder / "ledger.jsonl").read_text().splitlines()
        entries = [{**json.loads(line), "seconds": None} for line in lines]
        return found | {"ledger": sorted(entries, key=lambda entry: entry["shard"])}

    return contents


@pytest.fixture
def whole(extract, tmp_path, contents):
    """The contents of a folder made in one go."""
    extract(tmp_path / "whole")
    return contents(tmp_path / "whole")
