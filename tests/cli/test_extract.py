"""`graticule extract`: from a folder of pictures to a folder of features, and what is said of it."""

import json

import numpy as np
import pytest
from PIL import Image


@pytest.fixture
def photos(tmp_path):
    """Nine pictures with places; of these one is no picture, and one more has no place on Earth."""
    folder = tmp_path / "photos"
    folder.mkdir()
    random = np.random.default_rng(0)
    rows = ["path,latitude,longitude"]
    for number in range(10):
        Image.fromarray(random.integers(0, 256, (16, 16, 3), dtype=np.uint8)).save(folder / f"{number}.png")
        rows.append(f"{number}.png,{number + (90 if number == 7 else 0)},3.5")
    (folder / "4.png").write_bytes(b"<html>")
    (folder / "places.csv").write_text("\n".join(rows) + "\n")
    return folder


@pytest.fixture(scope="module")
def encoder(tmp_path_factory):
    import torch

    from graticule.encoders.orbit import OrbitEncoder, OrbitEncoderConfig
    from graticule.store import save_folder

    torch.manual_seed(0)
    config = OrbitEncoderConfig(size=16, widths=(8, 8), depths=(1, 1), squeeze=8, width=12, turns=1)
    folder = tmp_path_factory.mktemp("encoder")
    save_folder(
        folder, {"encoder": config.model_dump(mode="json")}, {"encoder": OrbitEncoder(config).state_dict()}
    )
    return folder


@pytest.fixture
def extract(run, photos, encoder, tmp_path):
    """Run the command on the photos; gives (exit status, stdout, stderr)."""

    def extract(*options):
        settings = ("--encoder", encoder, "--out", tmp_path / "out", "--shard-rows", 4)
        return run("extract", "folder", photos, *settings, *options)

    return extract


def test_it_stops_goes_on_and_ends(extract, photos, tmp_path):
    out = tmp_path / "out"
    left_out = (
        "left out: 1 of the source's rows or files can't be used; "
        f"`graticule data check folder {photos}` lists them\n"
    )
    status, said, _ = extract("--minutes", 0)
    stopped = f"stopped: {out} holds 4 of 9 pictures; run the same command again to go on\n"
    assert (status, said) == (0, left_out + stopped)
    kept = f"{out} holds 8 of 9 pictures; 1 refused, see {out / 'refused.jsonl'}\n"
    assert extract("--batch", 3, "--workers", 1)[:2] == (0, left_out + f"finished: {kept}")
    assert extract()[:2] == (0, left_out + f"nothing to do: {kept}")
    assert json.loads((out / "refused.jsonl").read_text())["id"] == "4.png"
    assert json.loads((out / "extract.json").read_text())["records"] == 9


def test_the_first_pictures_alone(extract, tmp_path):
    status, said, _ = extract("--limit", 3)
    assert status == 0
    assert said.endswith(f"finished: {tmp_path / 'out'} holds 3 of 3 pictures\n")


def test_wrong_use_is_said(extract, run, photos, tmp_path):
    status, _, said = extract("--address", "ray://head:10001")
    assert status == 2
    assert "--engine ray" in said
    status, _, said = run("extract", "folder", photos, "--encoder", "nowhere", "--out", tmp_path / "out")
    assert status == 2
    assert "nowhere: no model has that name" in said
    extract("--limit", 3)
    status, _, said = extract()
    assert status == 2
    assert "records was 3 and is 9 now" in said
