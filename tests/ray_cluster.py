"""A small Ray cluster for tests, and jobs whose worker dies."""

import os
import secrets
import shutil
import signal
import tempfile
from contextlib import contextmanager

import pytest


@contextmanager
def small_cluster():
    """A cluster of two workers on this machine."""
    ray = pytest.importorskip("ray")
    # Ray's sockets lie below, and a socket's path must be short.
    folder = tempfile.mkdtemp(prefix="ray-", dir="/tmp")
    # Else Ray keeps a secret for its own use in the home of whoever runs the tests. It remembers the first it is given.
    os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))
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


def dying_once(fallen, *, at):
    """The job of a shard; the first worker that comes to a number is killed between its records and its features.

    A closure, so that Ray's workers get it as it is here.
    """

    def extract_shard(folder, number, **settings):
        from graticule.extract import shard

        write = shard.write_whole

        def deadly(path, data):
            if path.suffix == ".safetensors":
                fallen.touch()
                os.kill(os.getpid(), signal.SIGKILL)
            write(path, data)

        if number == at and not fallen.exists():
            shard.write_whole = deadly
        try:
            return shard.extract_shard(folder, number, **settings)
        finally:
            shard.write_whole = write

    return extract_shard
