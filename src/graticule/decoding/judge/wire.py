"""The HTTP under the openai client: what goes out is listed here, what comes in is bounded.

The openai client reads a dozen environment variables, tells every server about the machine it runs on, follows
redirects and reads replies to their end. None of that may decide where a picture goes. Whatever the client put
together, a request leaves with the headers below; no proxy of the environment, no redirect.
"""

from __future__ import annotations

import email.utils
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Any, Final

from graticule.decoding.judge.angles import AnswerError, brief
from graticule.decoding.judge.config import JudgeConfig
from graticule.errors import MissingExtraError

__all__ = [
    "MAX_REPLY_BYTES",
    "Reply",
    "openai_client",
    "openai_module",
    "read_reply",
    "retry_after_s",
    "told",
]

MAX_REPLY_BYTES: Final = 1 << 20
"""A reply beyond this is not read further: an answer takes a hundred bytes, thinking aloud a hundred thousand."""

_KEPT_HEADERS: Final = ("content-type", "date", "retry-after")


@dataclass(frozen=True)
class Reply:
    """What a server sent, as far as it is of use."""

    text: str
    problem: str
    """Why the text is no answer, whatever it says; empty if nothing speaks against it."""
    final: bool
    """Whether asking again would bring the same problem."""
    prompt_tokens: int
    completion_tokens: int


def openai_module() -> ModuleType:
    """The openai package, imported when first needed.

    Raises:
        MissingExtraError: It is not installed.
    """
    try:
        import openai
    except ImportError as error:
        raise MissingExtraError.of("judge", "openai") from error
    return openai


def openai_client(config: JudgeConfig, key: str | None) -> Any:
    """An `openai.AsyncOpenAI` for the server named in the config, and for no other."""
    openai = openai_module()
    headers = {
        "Accept": "application/json",
        # A compressed reply could be small on the wire and large in memory.
        "Accept-Encoding": "identity",
        "Content-Type": "application/json",
        "User-Agent": "graticule",
    }
    if key:
        headers["Authorization"] = f"Bearer {key}"

    class Bounded(openai.DefaultAsyncHttpxClient):  # type: ignore[name-defined, misc]
        async def send(self, request: Any, **options: Any) -> Any:
            own = {**headers, "Host": request.url.netloc, "Content-Length": str(len(request.content))}
            sent = type(request)(
                request.method,
                request.url,
                headers=own,
                content=request.content,
                extensions=request.extensions,
            )
            response = await super().send(sent, **{**options, "stream": True, "follow_redirects": False})
            body = bytearray()
            try:
                async for chunk in response.aiter_raw():
                    body += chunk
                    if len(body) > MAX_REPLY_BYTES:
                        raise AnswerError(f"the reply is longer than {MAX_REPLY_BYTES} bytes")
            finally:
                await response.aclose()
            kept = {name: response.headers[name] for name in _KEPT_HEADERS if name in response.headers}
            if key:  # some servers quote it back, and what they say ends up in reports
                body = body.replace(key.encode(), b"***")
            # The openai client looks for notes to itself among the headers of the request that it made.
            return type(response)(response.status_code, headers=kept, content=bytes(body), request=request)

    return openai.AsyncOpenAI(
        base_url=config.url,
        api_key="sent by Bounded, if there is one",
        max_retries=0,
        timeout=config.timeout_s,
        http_client=Bounded(trust_env=False, timeout=config.timeout_s),
    )


def read_reply(body: bytes) -> Reply:
    """Find a chat completion's answer in the body of a response.

    Raises:
        AnswerError: The body is not a chat completion.
    """
    try:
        reply = json.loads(body)
        choice = reply["choices"][0]
        message = choice["message"]
        content, refusal = message.get("content"), message.get("refusal")
        usage = reply.get("usage")
        end = choice.get("finish_reason")
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        shown = brief(body[:400].decode("utf-8", "replace"))
        raise AnswerError(f"the reply is not a chat completion: {shown!r}") from error
    if isinstance(content, list):  # some servers answer in parts
        content = "".join(
            part["text"] for part in content if isinstance(part, dict) and isinstance(part.get("text"), str)
        )
    text = content if isinstance(content, str) else ""
    problem, final = "", False
    if refusal:
        problem, final = f"the judge refused: {brief(str(refusal))!r}", True
    elif end == "content_filter":
        problem, final = "the server's content filter held the answer back", True
    elif end == "length":
        # Its last number may be cut off too.
        problem = "the answer was cut short at max_answer_tokens"
    elif not text.strip():
        problem = "the answer is empty"
    prompt_tokens, completion_tokens = _count(usage, "prompt_tokens"), _count(usage, "completion_tokens")
    return Reply(text, problem, final, prompt_tokens, completion_tokens)


def retry_after_s(headers: Mapping[str, str]) -> float:
    """The wait that a Retry-After header asks for, in seconds; 0 if there is none that makes sense.

    A date is held against the server's own clock, its Date header: this machine's may be wrong.
    """
    value = headers.get("retry-after", "").strip()
    try:
        wait = float(value)
    except ValueError:
        try:
            until = email.utils.parsedate_to_datetime(value)
            wait = (until - email.utils.parsedate_to_datetime(headers.get("date", ""))).total_seconds()
        except (ValueError, TypeError, OverflowError):
            return 0.0
    return max(0.0, wait) if math.isfinite(wait) else 0.0


def told(body: str) -> str:
    """A server's own words about a failure, fit to be shown."""
    try:
        error = json.loads(body)["error"]
        body = str(error["message"] if isinstance(error, dict) else error)
    except (ValueError, LookupError, TypeError, RecursionError):
        pass
    return brief(body, 160)


def _count(usage: Any, name: str) -> int:
    count = usage.get(name) if isinstance(usage, dict) else None
    return count if type(count) is int and 0 <= count < 1 << 40 else 0
