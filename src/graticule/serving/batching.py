"""Batches across clients: one thread owns the models, and answers whatever waits for it together.

Answers do not depend on what they were batched with: pictures that ask for another model or region are answered
apart, and those of one group as `Geolocator.locate` answers a batch.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Iterable
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from graticule.prediction import Prediction, Result
from graticule.serving.metrics import Metrics

if TYPE_CHECKING:
    from graticule.decoding.constrain import CellMask
    from graticule.locator import Geolocator

__all__ = ["Batcher", "Job"]

_STEP: Final = 8


@dataclass(eq=False)
class Job:
    """One picture to be answered.

    Attributes:
        geolocator: what answers.
        pixels: (3, S, S) uint8, as it wants them.
        name: of the picture.
        top_k: candidates wanted.
        mask: where the picture may be.
        result: what comes of it; a job that is cancelled before its turn is passed over.
    """

    geolocator: Geolocator
    pixels: NDArray[np.uint8]
    name: str
    top_k: int
    mask: CellMask | None
    result: Future[Result] = field(default_factory=Future)


class Batcher:
    """The thread that answers, from `start` to `stop`."""

    def __init__(self, *, batch_size: int, gather_s: float, metrics: Metrics) -> None:
        """Set it up.

        Args:
            batch_size: pictures answered together at most.
            gather_s: how long a batch that is not full waits for more.
            metrics: told of every batch.
        """
        self._batch_size = batch_size
        self._gather_s = gather_s
        self._metrics = metrics
        # Bounded by the service, which lets in no more pictures than it may hold.
        self._waiting: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._left: list[Job] = []
        self._thread = threading.Thread(target=self._run, name="graticule-answer", daemon=True)
        self.warm = threading.Event()

    def start(self, geolocators: Iterable[Geolocator]) -> None:
        """Begin; each model answers a grey picture first, so that no client waits for what is done once."""
        self._first = list(geolocators)
        self._thread.start()

    def submit(self, job: Job) -> Future[Result]:
        """Have a picture answered; from any thread."""
        self._waiting.put(job)
        return job.result

    def stop(self, timeout_s: float | None = None) -> None:
        """Answer what waits, and end the thread; it is left behind if that takes too long."""
        self._waiting.put(None)
        self._thread.join(timeout_s)

    def _run(self) -> None:
        for geolocator in self._first:
            size = geolocator.model.encoder.size
            geolocator.answer(np.full((1, 3, size, size), 128, np.uint8), ["warm"])
        self.warm.set()
        while self._answer_next():
            pass

    def _answer_next(self) -> bool:
        """Answer the next batch; False at the end. While none comes, nothing of the last one is held."""
        batch = self._gather()
        for group in _groups(batch):
            whole = _even(len(group))
            self._left += group[whole:]
            running = [job for job in group[:whole] if job.result.set_running_or_notify_cancel()]
            if running:
                self._answer(running)
        return bool(batch)

    def _gather(self) -> list[Job]:
        """The next batch, first what was left of the last; empty at the end."""
        batch, self._left = self._left, []
        until = time.monotonic() + self._gather_s
        while len(batch) < self._batch_size:
            # Only the first is waited for as long as it takes.
            timeout_s = max(0.0, until - time.monotonic()) if batch else None
            try:
                job = self._waiting.get(timeout=timeout_s)
            except queue.Empty:
                break
            if job is None:
                if batch:
                    self._waiting.put(None)  # the end, once this batch is answered
                break
            if not batch:
                until = time.monotonic() + self._gather_s
            batch.append(job)
        return batch

    def _answer(self, jobs: list[Job]) -> None:
        first = jobs[0]
        start = time.perf_counter()
        try:
            results = first.geolocator.answer(
                np.stack([job.pixels for job in jobs]),
                [job.name for job in jobs],
                top_k=max(job.top_k for job in jobs),
                mask=first.mask,
            )
        except Exception as error:  # whatever it is, the clients must hear of it and the thread live on
            for job in jobs:
                job.result.set_exception(error)
            return
        self._metrics.batch_pictures.observe(len(jobs))
        self._metrics.batch_s.observe(time.perf_counter() - start)
        for job, result in zip(jobs, results, strict=True):
            job.result.set_result(_cut(result, job.top_k))


def _groups(jobs: list[Job]) -> list[list[Job]]:
    """The jobs that one model answers in one region."""
    groups: dict[tuple[int, int], list[Job]] = {}
    for job in jobs:
        groups.setdefault((id(job.geolocator), id(job.mask)), []).append(job)
    return list(groups.values())


def _even(count: int) -> int:
    """As many pictures of a group as are answered together: all, or a multiple of `_STEP`.

    torch and oneDNN keep several megabytes for every size of batch they meet. In all sizes up to 64 batches would fill
    half a gigabyte, little by little.
    """
    return count if count <= _STEP else count - count % _STEP


def _cut(result: Result, top_k: int) -> Result:
    if not isinstance(result, Prediction) or len(result.candidates) <= top_k:
        return result
    return replace(result, candidates=result.candidates[:top_k])
