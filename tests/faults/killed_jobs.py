"""Run by test_04_killed.py: small jobs, killed by SIGKILL at some moments, then run again unharmed.

    python killed_jobs.py FOLDER KILLS WRITING JOB...

A moment is `half:N` (when the N-th file lies half written) or `named:N` (just before the N-th file gets its name);
KILLS of each are drawn among those that an unharmed run has. WRITING is `whole`, as the product writes, or what it
would be without its defences: `in-place` or `unswept`. For each moment, prints the job, the moment, the signal that
ended the run, the visible files that can not be read then, the temporaries that stay in the end, and the files that are
not those of the unharmed run. Every run is a process of its own, forked before torch or faiss has computed anything.
"""

import json
import os
import shutil
import sys
from pathlib import Path

from graticule import store
from killing import dies_at, in_a_process, moments


def in_place(path, data):
    """What `write_whole` would be without its defence."""
    with path.open("wb") as file:
        file.write(data[: len(data) // 2])
        file.flush()
        os.fsync(file.fileno())
        file.write(data[len(data) // 2 :])


# Before the others import them.
if sys.argv[3:4] == ["in-place"]:
    store.write_whole = in_place
if sys.argv[3:4] == ["unswept"]:
    store.sweep = lambda folder: None

import faiss  # noqa: E402, F401  # what is heavy is imported here once, not once in every process
import numpy as np  # noqa: E402
import torch  # noqa: E402
import torch._dynamo  # noqa: E402
from safetensors import safe_open  # noqa: E402
from safetensors.torch import load_file, save_file  # noqa: E402

from faults.small import small_model, toy_run  # noqa: E402
from graticule.extract.run import extract  # noqa: E402
from graticule.retrieval import build, neighbours  # noqa: E402
from graticule.training.index import index_folder  # noqa: E402

EXAMPLES = Path(__file__).parents[2] / "examples"
OF_THE_RUN = {".lock", "log.jsonl", "ledger.jsonl"}
"""Files that hold times of day."""


def prepare(root):
    """A model, pictures with their places, and features."""
    shutil.copytree(EXAMPLES / "pictures", root / "pictures")
    shutil.copy(EXAMPLES / "truth.csv", root / "pictures")
    small_model().save(root / "model", card="A card.")
    generator = torch.Generator().manual_seed(0)
    features = {
        "features": torch.randn(300, 16, generator=generator).half(),
        "lat_lon": torch.from_numpy(np.random.default_rng(0).uniform(-60, 60, (300, 2))),
    }
    (root / "features").mkdir()
    save_file(features, root / "features" / "shard-00000000.safetensors")


def training(root, out):
    toy_run(out)


def extraction(root, out):
    extract("folder", root / "pictures", encoder=str(root / "model"), out=out, shard_rows=5, workers=1)


def index(root, out):
    build._BLOCK_ROWS, build._CHECKPOINT_ROWS, neighbours._ROWS_AT_ONCE = 64, 128, 100
    asked = neighbours.NeighbourConfig(count=3)
    index_folder(root / "features", out, kind="ivfpq", neighbours=asked, report=lambda line: None)


def run(job, root, out, kind=None, number=0):
    torch.set_num_threads(1)
    if kind == "half":
        os.fsync = dies_at(number, os.fsync)
    if kind == "named":
        os.replace = os.rename = Path.replace = dies_at(number, Path.replace)
    job(root, out)


def counted(job, root, out):
    """An unharmed run, and how many moments of each kind it had."""
    calls = {"half": 0, "named": 0}

    def counting(kind, function):
        def count(*given):
            calls[kind] += 1
            return function(*given)

        return count

    os.fsync, Path.replace = counting("half", os.fsync), counting("named", Path.replace)
    run(job, root, out)
    (root / f"{out.name}.json").write_text(json.dumps(calls))


def unreadable(out):
    """Names of finished-looking files that are not whole."""
    found = []
    for path in out.glob("[!.]*.safetensors"):
        try:
            with safe_open(path, framework="pt") as file:
                list(file.keys())
        except Exception:
            found.append(path.name)
    return found


def differing(out, whole):
    """Names of files that one folder has and the other has not, or otherwise."""
    one, other = ({path.name: path for path in folder.iterdir() if path.is_file()} for folder in (out, whole))
    found = (set(one) ^ set(other)) - OF_THE_RUN
    for name in (set(one) & set(other)) - OF_THE_RUN:
        if name.endswith("checkpoint.safetensors") or name == "best.safetensors":
            left, right = load_file(one[name]), load_file(other[name])
            same = left.keys() == right.keys() and all(torch.equal(left[key], right[key]) for key in left)
        else:
            same = one[name].read_bytes() == other[name].read_bytes()
        if not same:
            found.add(name)
    return sorted(found)


def main(root, kills, names):
    in_a_process(prepare, root)
    for name in names:
        job, whole = globals()[name], root / name
        in_a_process(counted, job, root, whole)
        there = json.loads((root / f"{name}.json").read_text())
        for kind, among in there.items():
            for number in moments(kills, among=among, seed=among):
                out = root / f"{name}-{kind}-{number}"
                ended = in_a_process(run, job, root, out, kind, number)
                broken = unreadable(out)
                in_a_process(run, job, root, out)
                left = [path.name for path in out.rglob(".*.tmp")]
                told = [",".join(words) or "-" for words in (broken, left, differing(out, whole))]
                print(name, f"{kind}:{number}", ended, *told, flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[4:])
