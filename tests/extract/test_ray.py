"""On Ray: the same shards to the bit, and a worker that dies costs time and nothing else."""

import os
import re
import secrets
import shutil
import signal
import sys
import tempfile
import threading
import time
from pathlib import Path

import pytest

from graticule.errors import GraticuleError, InputError
from graticule.extract import cluster, shard

PATIENCE_S = 150
"""Some seconds will do, but a busy machine takes a minute to start a worker twice."""


@pytest.fixture(scope="module")
def ray():
    """A cluster of two workers on this machine."""
    ray = pytest.importorskip("ray")
    # Ray's sockets lie below, and a socket's path must be short.
    folder = tempfile.mkdtemp(prefix="ray-", dir="/tmp")
    with pytest.MonkeyPatch.context() as patch:
        # Else Ray keeps a secret for its own use in the home of whoever runs the tests.
        patch.setenv("RAY_AUTH_TOKEN", secrets.token_hex(32))
        ray.init(
            num_cpus=2,
            include_dashboard=False,
            log_to_driver=False,
            logging_level="error",
            object_store_memory=80_000_000,
            _temp_dir=folder,
        )
        yield ray
        ray.shutdown()
    shutil.rmtree(folder, ignore_errors=True)


def task_below(ancestor):
    """The process of a task under way among a process's descendants, or None."""
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if b"extract_shard" in (entry / "cmdline").read_bytes() and ancestor in ancestors(entry.name):
                return int(entry.name)
        except OSError:  # it has just ended
            continue
    return None


def ancestors(pid):
    while pid != "0":
        yield int(pid)
        pid = Path("/proc", pid, "stat").read_text().rpartition(")")[2].split()[1]


def killing_one(work):
    """Do the work, and kill the first worker that is seen at a shard; gives what the work gave or raised."""
    outcome = []

    def run():
        try:
            outcome.append(work())
        except GraticuleError as error:
            outcome.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    deadline, victim = time.monotonic() + PATIENCE_S, None
    while victim is None and thread.is_alive() and time.monotonic() < deadline:
        victim = task_below(os.getpid())
        time.sleep(0.01)
    assert victim, "no worker was seen at a shard"
    os.kill(victim, signal.SIGKILL)
    thread.join(max(0, deadline - time.monotonic()))
    assert outcome, "it hangs"
    return outcome[0]


@pytest.mark.slow
def test_a_killed_worker_is_replaced_and_the_shards_are_those_made_here(
    ray, extract, tmp_path, whole, contents, monkeypatch
):
    monkeypatch.setattr(shard, "_opened", None)  # this process opens no encoder
    monkeypatch.chdir(tmp_path)
    told = []

    def work():
        return extract(Path("out"), engine="ray", progress=lambda done, total: told.append(done))

    outcome = killing_one(work)
    assert (outcome.finished, outcome.made) == (True, 3)
    assert contents(tmp_path / "out") == whole
    assert told[0] == 0
    assert told[-1] == 21
    assert len(told) == 4
    assert ray.is_initialized(), "a connection that was open stays open"
    assert extract(tmp_path / "out", engine="ray").made == 0


@pytest.mark.slow
def test_workers_that_die_again_and_again_are_reported(ray, extract, tmp_path, whole, contents, monkeypatch):
    monkeypatch.setattr(cluster, "RETRIES", 0)
    # A worker may just have finished its shard when it is killed; then nothing is lost, and another is tried.
    for attempt in range(10):
        out = tmp_path / f"out-{attempt}"
        failed = killing_one(lambda out=out: extract(out, engine="ray", workers=1))
        if isinstance(failed, GraticuleError):
            break
    assert isinstance(failed, GraticuleError)
    told = re.search(r"shard (\d): Ray could not make it", str(failed))
    assert told, failed
    # One worker makes one shard of 8 records after the other: those before the one that was lost are kept.
    again = extract(out, engine="ray", workers=1, stop_after_s=0)
    assert again.done == min(8 * (int(told[1]) + 1), again.records)
    assert extract(out).finished, "what one engine began another may end"
    assert contents(out) == whole


@pytest.mark.slow
def test_an_error_in_a_worker_is_told_as_one_here(ray, extract, tmp_path, own_pictures):
    (own_pictures / "p18.png").unlink()
    table = (own_pictures / "places.parquet").read_bytes()
    with pytest.raises(InputError, match=r"^\S*p18\.png.*bring it back and run the same again\.$"):
        extract(tmp_path / "out", path=own_pictures, engine="ray")
    assert (own_pictures / "places.parquet").read_bytes() == table


@pytest.mark.parametrize(("resources", "threads"), [({"CPU": 2}, 1), ({"CPU": 9, "GPU": 1}, None)])
def test_a_task_of_one_processor_decodes_in_one_thread(monkeypatch, tmp_path, resources, threads):
    asked = []

    class Fake:
        """As much of Ray as hands out tasks, which are done at once."""

        is_initialized = staticmethod(lambda: True)
        cluster_resources = staticmethod(lambda: resources)
        wait = staticmethod(lambda tasks, num_returns: (tasks[:num_returns], tasks[num_returns:]))
        get = staticmethod(lambda number: shard.Shard(number, 0))

        def remote(self, *arguments, **options):
            if callable(arguments[0]):
                return self
            asked.append(options["workers"])
            return arguments[1]

        def options(self, **_):
            return self

    monkeypatch.setitem(sys.modules, "ray", Fake())
    made = cluster.shards_on_ray(tmp_path, iter(range(3)), ahead=1, address=None, workers=None)
    assert sorted(one.number for one in made) == [0, 1, 2]
    assert asked == [threads] * 3


def test_the_address_is_rays(extract, tmp_path, monkeypatch):
    ray = pytest.importorskip("ray")
    asked = []

    def init(address, **options):
        asked.append(address)
        raise ConnectionError("nobody there")

    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    monkeypatch.setattr(ray, "init", init)
    with pytest.raises(GraticuleError, match="address ray://head:10001: no Ray cluster"):
        extract(tmp_path, engine="ray", address="ray://head:10001")
    assert asked == ["ray://head:10001"]


def test_without_ray_the_extra_is_named(extract, tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "ray", None)
    with pytest.raises(ImportError, match=r"graticule\[distributed\]"):
        extract(tmp_path, engine="ray")
    assert extract(tmp_path).finished
