"""`graticule variogram` reads features, prints tables, writes JSON, draws; and says what is wrong."""

import json

import numpy as np
import pytest
import torch
import typer
from PIL import Image
from safetensors.torch import save_file
from typer.testing import CliRunner

from graticule.cli.variogram import variogram
from graticule.errors import InputError, ModelNotFoundError

APP = typer.Typer()
APP.command()(variogram)


def call(*arguments):
    return CliRunner().invoke(APP, [str(argument) for argument in arguments], env={"COLUMNS": "100"})


@pytest.fixture
def held():
    rng = np.random.default_rng(0)
    lat_lon = np.stack([rng.uniform(-60, 60, 200), rng.uniform(-180, 180, 200)], axis=1)
    features = np.sin(np.radians(lat_lon) @ rng.normal(size=(2, 8))) + 0.1 * rng.normal(size=(200, 8))
    return {"features": torch.from_numpy(features).half(), "lat_lon": torch.from_numpy(lat_lon)}


@pytest.fixture
def file(held, tmp_path):
    save_file(held, tmp_path / "features.safetensors")
    return tmp_path / "features.safetensors"


def test_tables_json_and_figure(file, tmp_path):
    options = ("--bins", 8, "--lags", "linear", "--model", "exponential")
    done = call(file, *options, "--output", tmp_path / "out.json", "--figure", tmp_path / "out.png")
    assert done.exit_code == 0, done.output
    for word in ("Semivariance", "AICc", "nugget", "practical range", "95 % interval", "200 points"):
        assert word in done.output
    content = json.loads((tmp_path / "out.json").read_text())
    assert content["fit"]["model"]["kind"] == "exponential"
    assert len(content["compared"]) == 6
    assert len(content["empirical"]["lags"]) == 8
    assert Image.open(tmp_path / "out.png").size == (1100, 640)


def test_every_form_of_features_gives_the_same(file, held, tmp_path):
    np.savez(tmp_path / "features.npz", **{name: tensor.numpy() for name, tensor in held.items()})
    folder = tmp_path / "shards"
    folder.mkdir()
    for number, rows in enumerate((slice(0, 80), slice(80, 200))):
        part = {name: tensor[rows].contiguous() for name, tensor in held.items()}
        save_file(part, folder / f"shard-{number:09d}.safetensors")
    outputs = {call(source, "--bins", 8).output for source in (file, tmp_path / "features.npz", folder)}
    assert len(outputs) == 1
    assert "Semivariance" in outputs.pop()


def test_drawn_pairs(file):
    done = call(file, "--bins", 8, "--pairs", 800)
    assert "sampled pairs" in done.output


def test_what_is_wrong_is_named(file, tmp_path):
    assert isinstance(call("no-such-model").exception, ModelNotFoundError)
    assert isinstance(call(tmp_path / "none.npz").exception, InputError)
    save_file({"features": torch.ones(3, 2)}, tmp_path / "half.safetensors")
    lacking = call(tmp_path / "half.safetensors").exception
    assert "lat_lon" in str(lacking)
    for content in (b"", b"PK cut short"):
        (tmp_path / "cut.npz").write_bytes(content)
        assert isinstance(call(tmp_path / "cut.npz").exception, InputError)
    for width in (2, 3):
        held = {"features": torch.ones(3, width), "lat_lon": torch.zeros(3, 2)}
        save_file(held, tmp_path / f"shard-{width}.safetensors")
    assert "shards of one encoder" in str(call(tmp_path).exception)
    assert call(file, "--pairs", "some").exit_code == 2
    assert call(file, "--bins", 2).exit_code == 2
    assert call(file, "--figure", tmp_path / "out.jpg").exit_code == 2
    assert isinstance(call(file, "--bins", 8, "--figure", file / "out.png").exception, InputError)
