"""One picture, one server: the request, and what everything but a usable reply means for what comes next."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from graticule.decoding.judge.angles import AnswerError
from graticule.decoding.judge.config import JudgeConfig
from graticule.decoding.judge.prompts import messages, response_format
from graticule.decoding.judge.wire import openai_client, openai_module, read_reply, retry_after_s, told

__all__ = ["AskError", "Server", "Spent"]

_HOPELESS: Final = frozenset((401, 402, 403, 404, 405, 410))
"""Statuses that every other picture would meet too: key, credit, address, model."""
_PASSING: Final = frozenset((408, 409, 425, 429))
"""Statuses that may be gone on the next attempt, besides the server's own failures, 500 and above."""

_OPTIONAL: Final = {
    "response_format": ("response_format", "json_schema"),
    "temperature": ("temperature",),
    "max_tokens": ("max_tokens", "max_completion_tokens"),
}
"""What a request can do without, and the words by which a server that rejects it names it."""


@dataclass
class Spent:
    """What one picture has taken so far."""

    requests: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0


class AskError(Exception):
    """An attempt that brought no answer. The message says why, in words for the user."""

    def __init__(
        self,
        why: str,
        effect: Literal["again", "leave", "stop"] = "again",
        *,
        by_server: bool = False,
        retry_after_s: float = 0.0,
        rejection: str = "",
    ) -> None:
        super().__init__(why)
        self.effect = effect
        """Whether to try again, to leave this picture, or to send no other either."""
        self.by_server = by_server
        """Whether the server failed, rather than the judge."""
        self.retry_after_s = retry_after_s
        self.rejection = rejection
        """What the server said about a request that it won't take."""


class Server:
    """A chat-completions server, and what has been learnt about it."""

    def __init__(self, config: JudgeConfig) -> None:
        self.config = config
        self._key = config.api_key()
        self._optional = frozenset(_OPTIONAL)

    def connect(self) -> Any:
        """An `openai.AsyncOpenAI` to enter; it belongs to the running event loop."""
        return openai_client(self.config, self._key)

    async def ask(self, client: Any, question: str, picture_url: str, *, spent: Spent) -> str:
        """Send a picture, as often as it takes to learn what this server can't have in a request.

        Args:
            client: From `connect`.
            question: The words that go with the picture.
            picture_url: The picture itself, in a data URL.
            spent: Requests and tokens are added here, those of failures too.

        Returns:
            What the judge wrote; it may be anything.

        Raises:
            AskError: There is no reply, or it is known to be no answer.
        """
        while True:
            sent = self._optional
            spent.requests += 1
            try:
                body = await self._send(client, self._request(question, picture_url, sent))
                return _answer(body, spent)
            except AskError as error:
                rejected = {name for name in sent if any(word in error.rejection for word in _OPTIONAL[name])}
                if not rejected:
                    raise
                # Once and for all: this server would reject it with every picture.
                self._optional -= rejected

    def _request(self, question: str, picture_url: str, optional: frozenset[str]) -> dict[str, Any]:
        extras = {
            "response_format": response_format(self.config.mode),
            "temperature": 0,
            "max_tokens": self.config.max_answer_tokens,
        }
        # "low" looks at 512 x 512 pixels, for a fraction of the tokens.
        detail = "low" if self.config.max_side <= 512 else "high"
        return {
            "model": self.config.model,
            "messages": messages(question, picture_url, detail=detail),
            **{name: extras[name] for name in sorted(optional)},
        }

    async def _send(self, client: Any, request: dict[str, Any]) -> bytes:
        openai = openai_module()
        try:
            # The HTTP client's own limit begins anew with every byte; this one does not.
            async with asyncio.timeout(self.config.timeout_s):
                response = await client.chat.completions.with_raw_response.create(**request)
                return bytes(response.content)
        except (TimeoutError, openai.APITimeoutError) as error:
            raise AskError(f"no reply within {self.config.timeout_s:g} s", by_server=True) from error
        except openai.APIStatusError as error:
            raise self._status(error.status_code, error.response.headers, error.response.text) from error
        except AnswerError as error:
            raise AskError(str(error)) from error
        except openai.APIError as error:
            if isinstance(error.__cause__, AnswerError):  # older openai clients wrap it
                raise AskError(str(error.__cause__)) from error
            reason = told(str(error.__cause__ or error)) or "the connection broke"
            raise AskError(f"no reply from {self.config.host}: {reason}", by_server=True) from error

    def _status(self, status: int, headers: Mapping[str, str], body: str) -> AskError:
        reason = f"HTTP {status} from {self.config.host}"
        if words := told(body):
            reason += f": {words!r}"
        if status < 400:
            return AskError(f"{reason}, a redirect, which is not followed", "stop", by_server=True)
        if status in _HOPELESS:
            return AskError(reason, "stop", by_server=True)
        if status in _PASSING or status >= 500:
            return AskError(reason, by_server=True, retry_after_s=retry_after_s(headers))
        return AskError(reason, "leave", by_server=True, rejection=body.lower())


def _answer(body: bytes, spent: Spent) -> str:
    try:
        reply = read_reply(body)
    except AnswerError as error:
        raise AskError(str(error)) from error
    spent.prompt_tokens += reply.prompt_tokens
    spent.completion_tokens += reply.completion_tokens
    if reply.problem:
        raise AskError(reply.problem, "leave" if reply.final else "again")
    return reply.text
