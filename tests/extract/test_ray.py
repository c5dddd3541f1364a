"""On Ray: the same shards to the bit, and a worker that dies costs time and nothing else."""

import sys
from pathlib import Path

import pytest

from graticule.errors import GraticuleError, InputError
from graticule.extract import cluster, shard
from ray_cluster import dying_once


@pytest.mark.slow
def test_a_killed_worker_is_replaced_and_the_shards_are_those_made_here(
    ray, extract, tmp_path, whole, contents, monkeypatch
):
    monkeypatch.setattr(shard, "_opened", None)  # this process opens no encoder
    monkeypatch.setattr(cluster, "extract_shard", dying_once(tmp_path / "fallen", at=1))
    monkeypatch.chdir(tmp_path)
    told = []
    outcome = extract(Path("out"), engine="ray", progress=lambda done, total: told.append(done))
    assert (tmp_path / "fallen").exists(), "no worker was killed"
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
    with monkeypatch.context() as patch:
        patch.setattr(cluster, "extract_shard", dying_once(tmp_path / "fallen", at=1))
        with pytest.raises(GraticuleError, match="shard 1: Ray could not make it"):
            extract(tmp_path / "out", engine="ray", workers=1)
    # One worker makes one shard of 8 records after the other: the one before the loss is kept.
    assert extract(tmp_path / "out", engine="ray", workers=1, stop_after_s=0).done == 16
    assert extract(tmp_path / "out").finished, "what one engine began another may end"
    assert contents(tmp_path / "out") == whole


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
