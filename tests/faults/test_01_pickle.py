"""Fault 1: what is unpickled is run, so nothing is."""

import io
import pickle
from contextlib import suppress
from pathlib import Path

import pytest
import torch

from faults.fault import Fault
from faults.folders import copy_of, forget_encoder, resigned, told
from faults.small import toy_run
from graticule import store
from graticule.errors import ModelFormatError
from graticule.training import checkpoint

FAULT = Fault(
    number=1,
    fault="a checkpoint carrying a pickle payload",
    defence="weights are safetensors, and no load path can unpickle (store.py, training/checkpoint.py)",
)


class Payload:
    """Touches a file when it is unpickled."""

    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return Path.touch, (self.marker,)


def payloads(marker):
    """One in each form in which weights are pickled."""
    found = [pickle.dumps(Payload(marker), protocol) for protocol in range(pickle.HIGHEST_PROTOCOL + 1)]
    for zipped in (True, False):
        stream = io.BytesIO()
        torch.save({"x": Payload(marker)}, stream, _use_new_zipfile_serialization=zipped)
        found.append(stream.getvalue())
    return found


def trusting(data):
    """Load as one does who trusts the file."""
    with suppress(Exception):
        return torch.load(io.BytesIO(data), weights_only=False)
    return pickle.loads(data)


def check_model(model_folder, picture, tmp_path, capsys):
    """In the place of any weights of a model, under a true manifest, no payload runs. Gives how many were tried."""
    marker, tried = tmp_path / "ran", 0
    for name in sorted(path.name for path in model_folder.glob("*.safetensors")):
        for payload in payloads(marker):
            folder = copy_of(model_folder, tmp_path / "model")
            forget_encoder(folder)
            resigned(folder, name, payload)
            status, line = told(capsys, "locate", picture, "--model", folder)
            assert not marker.exists(), name
            assert f"{name}: not a safetensors file" in line
            assert status == 2
            tried += 1
    return tried


def check_run(tmp_path):
    """In the place of a run's checkpoint no payload runs when the run is gone on with."""
    marker, tried = tmp_path / "ran", 0
    toy_run(tmp_path, stop_after_s=-1)
    for payload in payloads(marker):
        (tmp_path / "checkpoint.safetensors").write_bytes(payload)
        with pytest.raises(
            ModelFormatError, match=r"checkpoint\.safetensors: this checkpoint can't be resumed"
        ):
            toy_run(tmp_path)
        assert not marker.exists()
        tried += 1
    return tried


def test_every_payload_works_where_something_unpickles(tmp_path):
    for payload in payloads(tmp_path / "ran"):
        trusting(payload)
        (tmp_path / "ran").unlink()


def test_in_a_model_folder_it_is_never_run(small_folder, picture, tmp_path, capsys, record_property):
    record_property("inputs", check_model(small_folder, picture, tmp_path, capsys))


def test_in_a_checkpoint_it_is_never_run(tmp_path, record_property):
    record_property("inputs", check_run(tmp_path))


def test_without_the_defence_the_payload_in_a_model_runs(
    small_folder, picture, tmp_path, capsys, monkeypatch
):
    strict = store._views

    def lenient(data):
        try:
            return strict(data)
        except (ValueError, TypeError, KeyError):
            return trusting(data)

    monkeypatch.setattr(store, "_views", lenient)
    with pytest.raises(AssertionError, match=r"alignment\.safetensors"):
        check_model(small_folder, picture, tmp_path, capsys)
    assert (tmp_path / "ran").exists()


def test_without_the_defence_the_payload_in_a_checkpoint_runs(tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoint, "safe_open", lambda path, framework: trusting(path.read_bytes()))
    with pytest.raises(AssertionError):
        check_run(tmp_path)
    assert (tmp_path / "ran").exists()
