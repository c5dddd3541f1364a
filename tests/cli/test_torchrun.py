"""Commands under `torchrun`: two processes have the loss curve of one, and write what one writes."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from feature_parts import make_parts

SOURCE = Path(__file__).parents[2] / "src"

# In bfloat16 how many rows are multiplied at once moves the third digit.
GEOTOKEN = """
geotoken:
  levels: [0, 2, 4]
  neighbours: 4
  d_model: 16
  heads: 2
  encoder_layers: 1
  decoder_layers: 1
  feed_forward: 32
  dropout: 0.0
  neighbour_dropout: 0.0
  all_neighbours_dropout: 0.0
batch: 24
epochs: 8
validation_share: 0.2
bf16: false
device: cpu
"""
REWARD = """
near_km: 2000
views: 48
validation_views: 12
samples: 4
batch: 16
steps: 20
hidden: 8
bf16: false
device: cpu
"""


@pytest.fixture(scope="module")
def parts(tmp_path_factory):
    return make_parts(tmp_path_factory.mktemp("parts"))


def torchrun(*arguments):
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    done = subprocess.run(
        [*command, *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": str(SOURCE), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


LEAVING = """
import atexit
import os
import torch
from graticule.training.distributed import average_gradients, join_processes

def threads():
    return [open(f"/proc/self/task/{task}/comm").read().strip() for task in os.listdir("/proc/self/task")]

join_processes()
weights = [torch.nn.Parameter(torch.ones(3))]
optimizer = torch.optim.AdamW(weights)  # imports much of torch, which must not hold on to the others
weights[0].sum().backward()
average_gradients(weights)
optimizer.step()
before = threads()
atexit._run_exitfuncs()
print(sum("gloo" in name for name in before), sum("gloo" in name for name in threads()), flush=True)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="threads are counted by Linux's means")
def test_a_process_leaves_no_thread_of_gloo_behind(tmp_path):
    """One that lets go of a message while Python ends aborts the process, now and then."""
    script = tmp_path / "leaving.py"
    script.write_text(LEAVING)
    for line in torchrun(script).splitlines():
        before, after = map(int, line.split())
        assert before > 0 == after


def curve(folder):
    lines = [json.loads(line) for line in (folder / "run" / "log.jsonl").read_text().splitlines()]
    return [line["loss"] for line in lines if "loss" in line], [
        line["validation"] for line in lines if "validation" in line
    ]


def alike(one, two, *, accumulated):
    losses, validations = curve(one)
    assert len(losses) >= 2
    for other in (two, accumulated):
        found, judged = curve(other)
        assert found == pytest.approx(losses, abs=1e-4)
        for here, there in zip(judged, validations, strict=True):
            assert here == pytest.approx(there, rel=1e-3, abs=1e-4)


def test_geotoken(run, parts, tiny_model_folder, tmp_path):
    config = tmp_path / "geotoken.yaml"
    config.write_text(GEOTOKEN)
    given = ("train", "geotoken", parts / "features", "--index", parts / "index")
    given += ("--alignment", parts / "alignment", "--encoder", tiny_model_folder, "--config", config)
    status, out, err = run(*given, "--out", tmp_path / "one")
    assert (status, err) == (0, "")
    assert run(*given, "--out", tmp_path / "parts", "--accumulate", 3)[0] == 0
    said = torchrun("-m", "graticule", *given, "--out", tmp_path / "two")
    assert said.count("finished: ") == out.count("finished: ") == 1  # one process speaks
    alike(tmp_path / "one", tmp_path / "two", accumulated=tmp_path / "parts")
    status, _, err = run(*given, "--out", tmp_path / "odd", "--accumulate", 7)
    assert status == 2
    assert "24 rows can't be shared equally by 7 parts" in err


def test_reward(run, parts, tiny_model_folder, tmp_path):
    (tmp_path / "geotoken.yaml").write_text(GEOTOKEN)
    made = ("train", "geotoken", parts / "features", "--index", parts / "index", "--epochs", 1)
    made += ("--alignment", parts / "alignment", "--encoder", tiny_model_folder)
    assert run(*made, "--config", tmp_path / "geotoken.yaml", "--out", tmp_path / "model")[0] == 0
    (tmp_path / "reward.yaml").write_text(REWARD)
    given = ("reward", tmp_path / "model", "--features", parts / "features", "--index", parts / "index")
    given += ("--config", tmp_path / "reward.yaml")
    status, out, err = run(*given, "--out", tmp_path / "one")
    assert (status, err) == (0, "")
    assert run(*given, "--out", tmp_path / "parts", "--accumulate", 4)[0] == 0
    said = torchrun("-m", "graticule", *given, "--out", tmp_path / "two")
    assert said.count("finished: ") == out.count("finished: ") == 1
    alike(tmp_path / "one", tmp_path / "two", accumulated=tmp_path / "parts")
