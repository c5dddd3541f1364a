"""`graticule align`: from a folder of features to a folder that can be opened."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAPER = ROOT / "configs" / "semivariogram-osv5m.yaml"


@pytest.fixture
def features(tmp_path):
    import numpy as np
    import torch
    from safetensors.torch import save_file

    random = np.random.default_rng(0)
    places = random.uniform((-60, -180), (75, 180), (60, 2))
    tensors = {"features": torch.from_numpy(np.cos(places / 20)).half(), "lat_lon": torch.from_numpy(places)}
    (tmp_path / "features").mkdir()
    save_file(tensors, tmp_path / "features" / "shard-0.safetensors")
    return tmp_path / "features"


def test_stopped_and_resumed_it_writes_a_folder(run, features, tmp_path):
    from graticule.alignment.spaces import SpacesAlignment

    command = ["align", features, "--out", tmp_path / "out", "--steps", 2, "--batch", 8]
    status, out, err = run(*command, "--minutes", 0)
    assert (status, err) == (0, "")
    assert "stopped; run the same command again" in out
    assert not (tmp_path / "out" / "manifest.json").exists()
    status, out, err = run(*command)
    assert (status, err) == (0, "")
    assert "resumed at step 1 of 2" in out
    assert "ends " in out
    assert "| places |" in out
    assert f"finished: {tmp_path}/out" in out
    assert SpacesAlignment.from_folder(tmp_path / "out").config.widths == {"image": 2, "location": 2}
    status, _, err = run(*command, "--seed", 1)
    assert status == 2
    assert "other settings" in err


def test_the_paper_s_settings_run_alike_alone_and_under_torchrun(run, features, tmp_path):
    settings = tmp_path / "paper.yaml"
    # In bfloat16 how many rows are multiplied at once moves the third digit.
    settings.write_text(f"{PAPER.read_text()}\nbf16: false\n")
    paper = ["--config", settings, "--steps", 2, "--batch", 10]
    status, out, err = run("align", features, "--out", tmp_path / "one", *paper)
    assert (status, err) == (0, "")
    recipe = json.loads((tmp_path / "one" / "config.json").read_text())["recipe"]
    assert (recipe["policy"]["name"], recipe["variogram"]) == ("semivariogram", "stable")
    assert (recipe["schedule"]["decay"], recipe["batch"]) == (0.87, 10)
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    command = [*torchrun, "-m", "graticule", "align", features, "--out", tmp_path / "two", *paper]
    done = subprocess.run(
        [str(argument) for argument in command],
        env={**os.environ, "PYTHONPATH": str(ROOT / "src"), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("finished: ") == out.count("finished: ") == 1  # one process speaks
    one, two = (
        [json.loads(line) for line in (tmp_path / name / "run" / "log.jsonl").read_text().splitlines()]
        for name in ("one", "two")
    )
    assert [line["step"] for line in one] == [line["step"] for line in two] == [2, 2]
    assert two[0]["loss"] == pytest.approx(one[0]["loss"], abs=1e-4)
    assert two[1]["validation"] == pytest.approx(one[1]["validation"])


def test_the_settings_of_geotoken_s_first_stage_run(run, features, tmp_path):
    config = ROOT / "configs" / "alignment-geotoken.yaml"
    status, _, err = run(
        *("align", features, "--out", tmp_path / "out", "--config", config, "--steps", 2, "--batch", 10)
    )
    assert (status, err) == (0, "")
    recipe = json.loads((tmp_path / "out" / "config.json").read_text())["recipe"]
    assert (recipe["policy"]["name"], recipe["queue"], recipe["both_ways"]) == ("none", 4096, True)
    assert (recipe["schedule"]["kind"], recipe["steps"]) == ("cosine", 2)
    assert recipe["location"]["hidden"] == 1024


def test_an_alignment_belongs_to_the_encoder_of_its_features_once_all_are_there(run, features, tmp_path):
    from graticule.extract.plan import Plan

    def extracted(digest, shard_rows):
        plan = Plan(
            source="osv5m",
            path="/pictures",
            split=None,
            encoder="mine",
            encoder_digest=digest,
            width=2,
            records=60,
            shard_rows=shard_rows,
        )
        (features / "extract.json").write_text(plan.model_dump_json())

    extracted("ab" * 32, 30)
    command = ["align", features, "--out", tmp_path / "out", "--steps", 1, "--batch", 8]
    status, _, err = run(*command)
    assert status == 2
    assert "holds 1 shards of 2" in err
    extracted("ab" * 32, 60)
    assert run(*command)[0] == 0
    assert json.loads((tmp_path / "out" / "config.json").read_text())["encoder_digest"] == "ab" * 32
    index = ["index", features, "--alignment", tmp_path / "out", "--out"]
    assert run(*index, tmp_path / "index")[0] == 0
    extracted("cd" * 32, 60)
    status, _, err = run(*index, tmp_path / "other")
    assert status == 2
    assert f"{tmp_path}/out: an alignment for features of another encoder" in err


def test_wrong_use_is_told_without_a_traceback(run, features, tmp_path):
    (tmp_path / "empty").mkdir()
    out = ["--out", tmp_path / "out"]
    for arguments, named in (
        ([tmp_path / "gone", *out], "FEATURES"),
        ([features], "--out"),
        ([tmp_path / "empty", *out], "holds no shard"),
        ([features, *out, "--policy", "magic"], "no 'magic'"),
        ([features, *out, "--config", tmp_path / "gone.yaml"], "gone.yaml"),
        ([features, *out, "--device", "abacus"], "device"),
        ([features, *out, "--beta-hard", "-1"], "beta_hard"),
        ([features, *out, "--rho-km", "nan"], "rho_km"),
        ([features, *out, "--refit-every", "0"], "refit_every"),
        ([features, *out, "--policy", "distance-mask", "--batch", "8"], "rho_km"),
        ([features, *out, "--text", tmp_path / "empty"], "names a place"),
        ([features, "--out", tmp_path / "other", "--batch", "500"], "batch"),
        ([features, "--out", features / "shard-0.safetensors" / "x"], "can't be made"),
    ):
        status, _, err = run("align", *arguments)
        assert status == 2, (arguments, err)
        assert named in err
        assert "Traceback" not in err
