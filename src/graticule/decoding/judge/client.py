"""Asking a judge about many pictures: retries, waits, and the model's own answer where the judge gives none."""

from __future__ import annotations

import asyncio
import random
import warnings
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeAlias

from PIL import Image

from graticule.decoding.judge.angles import AnswerError
from graticule.decoding.judge.config import JudgeConfig
from graticule.decoding.judge.parse import parse_choice, parse_place
from graticule.decoding.judge.pictures import data_url, small_jpeg
from graticule.decoding.judge.prompts import question
from graticule.decoding.judge.server import AskError, Server, Spent
from graticule.decoding.judge.verdict import JudgeCandidate, Verdict
from graticule.decoding.judge.wire import openai_module
from graticule.errors import GraticuleWarning, InputError, PictureError

__all__ = ["Judge", "Picture"]

Picture: TypeAlias = Path | bytes | Image.Image
"""A file, the bytes of one, or an RGB image as `open_picture` gives it."""

_LOST_IN_A_ROW: Final = 5
"""Pictures that the server may fail, one after another, before the rest are not sent."""


class Judge:
    """A multimodal language model that says which candidate a picture shows, or names a place itself.

    Nothing is sent before `judge` is called. Every picture gets a verdict: where the judge's answer is missing
    or makes no sense, that is candidate 0, the model's own answer, and the verdict says so.

    Example:
        >>> judge = Judge(JudgeConfig(url="http://127.0.0.1:8080/v1", model="qwen"))  # doctest: +SKIP
        >>> judge.judge([Path("a.jpg")], [[JudgeCandidate(48.9, 2.3, 0.6)]])  # doctest: +SKIP
    """

    def __init__(
        self, config: JudgeConfig, *, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    ) -> None:
        """Check what can be checked without a request.

        Args:
            config: Whom to ask, and how.
            sleep: Waits between attempts, in seconds.

        Raises:
            MissingExtraError: The openai package is not installed.
            ConfigError: The key's environment variable is not set.
        """
        openai_module()
        self.config = config
        self._server = Server(config)
        self._sleep = sleep
        self._stopped = ""
        self._lost_in_a_row = 0
        if config.in_the_clear:
            warnings.warn(
                f"judge url: {config.host} is not this machine and the connection is not encrypted: pictures and "
                "key can be read on the way. Use https, or a server on this machine.",
                GraticuleWarning,
                stacklevel=2,
            )

    def judge(
        self,
        pictures: Sequence[Picture],
        candidates: Sequence[Sequence[JudgeCandidate]],
        *,
        progress: Callable[[int, int], None] = lambda done, total: None,
    ) -> list[Verdict]:
        """Ask about every picture.

        Ctrl-C drops the requests under way; in a notebook, they are waited for, and no others are sent.

        Args:
            pictures: N of them.
            candidates: For each, one or more places, the likeliest first.
            progress: Told (done, N).

        Returns:
            N verdicts in the order of the pictures. A picture that can't be opened falls back too.

        Raises:
            InputError: There are not as many lists of candidates as pictures, or one is empty.
        """
        if len(pictures) != len(candidates):
            raise InputError(
                f"{len(pictures)} pictures, {len(candidates)} lists of candidates: give one each."
            )
        for index, places in enumerate(candidates):
            if not places:
                raise InputError(f"candidates[{index}] is empty: give one or more, there must be a fallback.")
        batch = _Batch(len(pictures), progress, stopped=self._stopped, lost_in_a_row=self._lost_in_a_row)
        work = self._all(pictures, candidates, batch)
        try:
            return self._finished(work, batch)
        finally:
            # What stops one call stops the next: a server that refuses its key would refuse it again.
            self._stopped, self._lost_in_a_row = batch.stopped, batch.lost_in_a_row

    def _finished(self, work: Coroutine[Any, Any, list[Verdict]], batch: _Batch) -> list[Verdict]:
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            return asyncio.run(work)
        # A notebook runs a loop already, and a thread can't enter a second one.
        with ThreadPoolExecutor(1, "graticule-judge") as thread:
            try:
                return thread.submit(asyncio.run, work).result()
            except KeyboardInterrupt:
                batch.stopped = "interrupted"
                raise

    async def _all(
        self, pictures: Sequence[Picture], candidates: Sequence[Sequence[JudgeCandidate]], batch: _Batch
    ) -> list[Verdict]:
        gate = asyncio.Semaphore(self.config.concurrency)

        async def one(index: int) -> Verdict:
            async with gate:
                verdict = await self._one(pictures[index], candidates[index], index, batch, client)
            batch.advance()
            return verdict

        async with self._server.connect() as client:
            return await asyncio.gather(*map(one, range(len(pictures))))

    async def _one(
        self, picture: Picture, candidates: Sequence[JudgeCandidate], index: int, batch: _Batch, client: Any
    ) -> Verdict:
        spent = Spent()
        try:
            place, chosen = await self._answer(picture, candidates, index, batch, client, spent)
            why = ""
        except (AskError, PictureError) as error:
            place, chosen = (candidates[0].latitude, candidates[0].longitude), 0
            why = str(error)
            if spent.requests > 1:
                why += f" (after {spent.requests} requests)"
        return Verdict(
            latitude=place[0],
            longitude=place[1],
            chosen=chosen,
            how="fallback" if why else "judge",
            why=why,
            attempts=spent.requests,
            prompt_tokens=spent.prompt_tokens,
            completion_tokens=spent.completion_tokens,
            cost=self._cost(spent),
        )

    async def _answer(
        self,
        picture: Picture,
        candidates: Sequence[JudgeCandidate],
        index: int,
        batch: _Batch,
        client: Any,
        spent: Spent,
    ) -> tuple[tuple[float, float], int | None]:
        """The judge's place, and which candidate it is.

        Raises:
            PictureError: The picture can't be opened.
            AskError: The last attempt failed, or no more are to be made.
        """
        batch.check()
        jpeg = await asyncio.to_thread(small_jpeg, picture, self.config.max_side)
        text, picture_url = question(self.config.mode, candidates), data_url(jpeg)
        # A generator for each picture: the waits don't depend on whose reply comes first.
        jitter = random.Random(f"{self.config.seed}/{index}")
        attempt = 0
        while True:
            batch.check()
            attempt += 1
            try:
                reply = await self._server.ask(client, text, picture_url, spent=spent)
                answer = self._read(reply, candidates)
            except AskError as error:
                if error.effect == "again" and attempt < self.config.attempts:
                    await self._sleep(self._wait_s(attempt, error.retry_after_s, jitter))
                    continue
                batch.lost(error)
                raise
            batch.lost_in_a_row = 0
            return answer

    def _read(
        self, reply: str, candidates: Sequence[JudgeCandidate]
    ) -> tuple[tuple[float, float], int | None]:
        try:
            if self.config.mode == "free":
                return parse_place(reply), None
            chosen = parse_choice(reply, len(candidates))
        except AnswerError as error:
            raise AskError(f"answer not understood: {error}") from error
        return (candidates[chosen].latitude, candidates[chosen].longitude), chosen

    def _wait_s(self, attempt: int, asked_s: float, jitter: random.Random) -> float:
        """A wait that doubles, give or take a half, so that pictures which failed together don't return together."""
        wait = self.config.first_wait_s * 2.0 ** min(attempt - 1, 30) * jitter.uniform(0.5, 1.5)
        return min(max(wait, asked_s), self.config.longest_wait_s)

    def _cost(self, spent: Spent) -> float | None:
        prompt_price, completion_price = self.config.prompt_price, self.config.completion_price
        if prompt_price is None or completion_price is None:
            return None
        return (spent.prompt_tokens * prompt_price + spent.completion_tokens * completion_price) / 1e6


@dataclass
class _Batch:
    """What the pictures of one call share."""

    total: int
    progress: Callable[[int, int], None]
    done: int = 0
    stopped: str = ""
    """Why no more requests are sent; empty while they are."""
    lost_in_a_row: int = 0

    def advance(self) -> None:
        self.done += 1
        self.progress(self.done, self.total)

    def check(self) -> None:
        """Raises AskError if no more requests are to be sent."""
        if self.stopped:
            raise AskError(f"not asked, the batch was stopped: {self.stopped}")

    def lost(self, error: AskError) -> None:
        """Learn from a picture that was given up whether to send the others."""
        self.lost_in_a_row = self.lost_in_a_row + 1 if error.by_server else 0
        if self.stopped:
            return
        if error.effect == "stop":
            self.stopped = str(error)
        elif self.lost_in_a_row == _LOST_IN_A_ROW:
            self.stopped = f"{_LOST_IN_A_ROW} pictures in a row failed, the last by {error}"
