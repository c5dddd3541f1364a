"""The service behind the routes: takes requests to locate in, and has them answered."""

from __future__ import annotations

import asyncio
import json
import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from graticule.errors import ModelNotFoundError, PictureError
from graticule.prediction import Prediction, Refusal, Result
from graticule.serving.asked import Asked
from graticule.serving.batching import Batcher, Job
from graticule.serving.describe import described
from graticule.serving.metrics import Metrics
from graticule.serving.problems import ServingError
from graticule.serving.regions import Masks
from graticule.serving.settings import Settings
from graticule.serving.uploads import Memory, Upload

if TYPE_CHECKING:
    from graticule.decoding.constrain import CellMask
    from graticule.locator import Geolocator

__all__ = ["Service"]

P = ParamSpec("P")
T = TypeVar("T")


class Service:
    """The models served, the thread that runs them, and what bounds both.

    The event loop alone touches what is counted here; threads decode pictures, read regions and put answers in words.
    """

    def __init__(self, geolocators: Mapping[str, Geolocator], settings: Settings) -> None:
        """Set it up.

        Args:
            geolocators: models by the names they are served under, the first for requests that name none.
            settings: as the server was started with.
        """
        self.geolocators = dict(geolocators)
        self.settings = settings
        self.metrics = Metrics()
        self.memory = Memory(settings.limits.held_bytes, self.metrics)
        self._batcher = Batcher(
            batch_size=settings.batch_size, gather_s=settings.gather_s, metrics=self.metrics
        )
        self._masks = Masks(settings.limits)
        # Bounds what is decoded at a time, and with it memory: a picture at full size takes much.
        self._pool = ThreadPoolExecutor(min(8, os.cpu_count() or 1), "graticule-request")
        self._queued = 0
        self._clients: Counter[str] = Counter()

    def start(self) -> None:
        """Warm the models up, and begin to answer."""
        self._batcher.start(self.geolocators.values())

    def stop(self) -> None:
        """Answer what waits, and end."""
        self._batcher.stop(self.settings.limits.drain_s)
        self._pool.shutdown(wait=False, cancel_futures=True)

    @property
    def ready(self) -> bool:
        """Whether the models are warm."""
        return self._batcher.warm.is_set()

    @contextmanager
    def turn(self, client: str) -> Iterator[None]:
        """Count a request as in progress while the block runs.

        Raises:
            ServingError: There are too many, of this client or of all.
        """
        limits = self.settings.limits
        if self._clients[client] >= limits.client_requests:
            raise ServingError(
                429, f"this client has {limits.client_requests} requests in progress. Wait for one to end."
            )
        if self._clients.total() >= limits.requests or self._queued >= limits.queued:
            raise ServingError(503, "the server is busy with others. Try again soon.")
        self._clients[client] += 1
        self.metrics.in_progress.inc()
        try:
            yield
        finally:
            self._clients[client] -= 1
            if not self._clients[client]:
                del self._clients[client]
            self.metrics.in_progress.dec()

    async def locate(self, asked: Asked) -> bytes:
        """The answer to a request, as JSON.

        Raises:
            GraticuleError: The model is not served, a region can't be understood, or the answer takes too long.
        """
        name, geolocator = self._geolocator(asked.model)
        try:
            async with asyncio.timeout(self.settings.limits.answer_s):
                mask = (
                    await self.threaded(self._masks.mask, geolocator, asked.within) if asked.within else None
                )
                with self._queue(len(asked.pictures)):
                    results = await self._results(asked, geolocator, mask)
                return await self.threaded(self._told, asked, name, geolocator, results)
        except TimeoutError as error:
            raise ServingError(
                503,
                f"no answer within {self.settings.limits.answer_s:g} s. Send fewer pictures, or try again soon.",
            ) from error

    async def threaded(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Have work done beside the event loop."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, partial(work, *args, **kwargs))

    def _geolocator(self, name: str | None) -> tuple[str, Geolocator]:
        if not self.geolocators:
            raise ModelNotFoundError("this server answers with no model: it was started to review answers.")
        if name is None:
            return next(iter(self.geolocators.items()))
        if name not in self.geolocators:
            raise ModelNotFoundError(
                f"{name[:100]}: not served here; there is {', '.join(self.geolocators)}. /v1/models lists them."
            )
        return name, self.geolocators[name]

    @contextmanager
    def _queue(self, pictures: int) -> Iterator[None]:
        """Count pictures as waiting while the block runs."""
        # A request alone is always let in: it may not be larger than the queue is long.
        if self._queued and self._queued + pictures > self.settings.limits.queued:
            raise ServingError(503, "too many pictures wait for an answer. Try again soon.")
        self._queued += pictures
        self.metrics.queued.set(self._queued)
        try:
            yield
        finally:
            self._queued -= pictures
            self.metrics.queued.set(self._queued)

    async def _results(self, asked: Asked, geolocator: Geolocator, mask: CellMask | None) -> list[Result]:
        """What is said of each picture; they join batches one by one, as they are decoded."""

        async def one(picture: Upload) -> Result:
            job = await self.threaded(self._decoded, picture, asked.top_k, geolocator, mask)
            if isinstance(job, Refusal):
                return job
            return await asyncio.wrap_future(self._batcher.submit(job))

        # A group: where one fails, or the client's time is up, the others are called off.
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(one(picture)) for picture in asked.pictures]
        except ExceptionGroup as several:
            raise several.exceptions[0] from several
        return [task.result() for task in tasks]

    def _decoded(
        self, picture: Upload, top_k: int, geolocator: Geolocator, mask: CellMask | None
    ) -> Job | Refusal:
        try:
            pixels = geolocator.pixels(
                picture.data, name=picture.name, max_pixels=self.settings.limits.pixels
            )
        except PictureError as error:
            return Refusal(picture.name, error)
        return Job(geolocator, pixels, picture.name, top_k, mask)

    def _told(self, asked: Asked, name: str, geolocator: Geolocator, results: list[Result]) -> bytes:
        for result in results:
            outcome = "answered" if isinstance(result, Prediction) else "refused"
            self.metrics.pictures.labels(name, outcome).inc()
        stored = geolocator.model.thumbnails
        thumbnails = None if stored is None else f"/v1/neighbours/{name}"
        told = {
            "model": name,
            "purpose": geolocator.purpose,
            "results": described(results, asked.detail, language=asked.language, thumbnails=thumbnails),
        }
        return json.dumps(told, ensure_ascii=False, allow_nan=False).encode()
