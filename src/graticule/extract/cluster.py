"""The same shards, made on a Ray cluster: an engine, not another extraction."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any, Final

from graticule.errors import GraticuleError, MissingExtraError
from graticule.extract.shard import Shard, extract_shard

__all__ = ["RETRIES", "shards_on_ray"]

RETRIES: Final = 3
"""How often a shard is begun again after its worker died."""


def shards_on_ray(
    folder: Path, numbers: Iterator[int], *, ahead: int, address: str | None, workers: int | None
) -> Generator[Shard, None, None]:
    """Make shards as tasks of a Ray cluster.

    Every node must reach the folder, the source and the encoder by the same paths.

    Args:
        folder: of features, with its plan.
        numbers: which shards; asked for one by one, when there is room for it.
        ahead: pictures a task decodes before its encoder needs them.
        address: of the cluster, such as ray://host:10001; without one, RAY_ADDRESS's, one that runs on this machine,
            or else one that is started here. A connection that is already open is used, and stays.
        workers: shards under way at once; as many as the cluster has processors, or GPUs if it has some.

    Yields:
        What became of each, as they end.

    Raises:
        MissingExtraError: Ray is not installed.
        GraticuleError: there is no such cluster, or a shard's workers died again and again.
    """
    try:
        import ray
    except ImportError as error:
        raise MissingExtraError.of("distributed", "ray") from error
    ours = not ray.is_initialized()
    running: dict[Any, int] = {}
    if ours:
        _connect(ray, address)
    try:
        resources = ray.cluster_resources()
        needs = {"num_gpus": 1} if resources.get("GPU") else {"num_cpus": 1}
        # A task of one processor decodes in one thread; one with a GPU has the processors that go with it.
        threads = None if resources.get("GPU") else 1
        job = ray.remote(extract_shard).options(max_retries=RETRIES, **needs)
        room = workers or max(1, int(resources.get("GPU") or resources.get("CPU", 1)))
        for number in numbers:
            # A worker's working directory is not ours.
            running[job.remote(folder.resolve(), number, ahead=ahead, workers=threads)] = number
            if len(running) >= room:
                yield _next(ray, running)
        while running:
            yield _next(ray, running)
    finally:
        for task in running:  # there are some after an error only; nothing may write to the folder any more
            ray.cancel(task, force=True)
        if ours:
            ray.shutdown()


def _connect(ray: Any, address: str | None) -> None:
    try:
        ray.init(address, include_dashboard=False, log_to_driver=False, logging_level="error")
    except Exception as error:  # some of Ray's are of no other kind
        where = f"address {address}" if address else "on this machine"
        raise GraticuleError(f"{where}: no Ray cluster can be used ({error}).") from error


def _next(ray: Any, running: dict[Any, int]) -> Shard:
    """Wait for one of the running shards."""
    [done], _ = ray.wait(list(running), num_returns=1)
    number = running.pop(done)
    try:
        shard: Shard = ray.get(done)
    except ray.exceptions.RayTaskError as error:
        if isinstance(error.cause, GraticuleError):
            raise error.cause from None
        raise
    except ray.exceptions.RayError as error:
        raise GraticuleError(
            f"shard {number}: Ray could not make it, though it tried {1 + RETRIES} times ({error}). What is finished "
            "is kept: mend the cluster and run the same again."
        ) from error
    return shard
