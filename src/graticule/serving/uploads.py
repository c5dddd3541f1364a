"""Uploads: a multipart body read into memory, with its bytes counted and timed as they come.

Nothing is written to disk, and nothing outlives its request.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Final

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import Request

from graticule.serving.metrics import Metrics
from graticule.serving.problems import ServingError
from graticule.serving.settings import MIB, Limits

__all__ = ["Form", "Memory", "Upload", "received", "small_body"]

PICTURES: Final = "pictures"
_FIELDS: Final = 64
"""Fields of text in a form at most."""
_FIELD_BYTES: Final = 1000
"""Of a field of text, but for regions."""
_BODY_BYTES: Final = 64 << 10
_NAME_LENGTH: Final = 1000
"""Letters of a file's name that are kept."""


@dataclass(frozen=True)
class Upload:
    """One file of a form."""

    name: str
    data: bytes


@dataclass
class Form:
    """What a form holds: files of the field `pictures`, and fields of text by name."""

    pictures: list[Upload] = field(default_factory=list)
    texts: dict[str, list[str]] = field(default_factory=dict)


class Memory:
    """Counts the bytes of all uploads that are held."""

    def __init__(self, most: int, metrics: Metrics) -> None:
        self.most = most
        self.held = 0
        self._metrics = metrics

    @contextmanager
    def share(self) -> Iterator[_Share]:
        """What one request holds, given back when the block ends."""
        share = _Share(self)
        try:
            yield share
        finally:
            self.add(-share.held)

    def add(self, count: int) -> None:
        """Hold so much more, or less."""
        self.held += count
        self._metrics.held_bytes.set(self.held)


class _Share:
    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        self.held = 0

    def take(self, count: int) -> None:
        """Hold some more.

        Raises:
            ServingError: All requests together would hold too much.
        """
        if self._memory.held + count > self._memory.most:
            raise ServingError(503, "the server holds as many uploads as it may. Try again soon.")
        self._memory.add(count)
        self.held += count


@asynccontextmanager
async def received(request: Request, limits: Limits, memory: Memory) -> AsyncIterator[Form]:
    """A request's form, held while the block runs.

    Raises:
        ServingError: It is no form, malformed, too large, or comes too slowly.
    """
    parts = _Parts(_boundary(request), limits)
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared) > limits.request_bytes:
        raise _too_large(limits)
    with memory.share() as share:

        def take(chunk: bytes) -> None:
            share.take(len(chunk))
            if share.held > limits.request_bytes:
                raise _too_large(limits)
            parts.feed(chunk)

        await _receive(request, take, limits)
        yield parts.form()


async def small_body(request: Request, kind: str, limits: Limits) -> bytes:
    """A request's body, where it is a few words.

    Raises:
        ServingError: It is of another kind, too large, or comes too slowly.
    """
    given, _ = parse_options_header(request.headers.get("content-type"))
    if given != kind.encode():
        raise ServingError(415, f"the body must be {kind}.")
    body = bytearray()

    def take(chunk: bytes) -> None:
        body.extend(chunk)
        if len(body) > _BODY_BYTES:
            raise ServingError(413, f"the body is larger than {_size(_BODY_BYTES)}.")

    await _receive(request, take, limits)
    return bytes(body)


async def _receive(request: Request, take: Callable[[bytes], None], limits: Limits) -> None:
    """Read a body to its end, piece by piece.

    Raises:
        ServingError: It comes too slowly.
    """
    chunks = request.stream()
    try:
        async with asyncio.timeout(limits.receive_s):
            while True:
                async with asyncio.timeout(limits.idle_s):
                    chunk = await anext(chunks, None)
                if chunk is None:
                    return
                take(chunk)
    except TimeoutError as error:
        raise ServingError(
            408,
            f"the request came too slowly: it may pause {limits.idle_s:g} s, and take {limits.receive_s:g} s.",
        ) from error


def _too_large(limits: Limits) -> ServingError:
    return ServingError(
        413,
        f"the request is larger than {_size(limits.request_bytes)}. Send the pictures in several requests.",
    )


def _size(count: int) -> str:
    return f"{count / MIB:g} MiB" if count >= MIB else f"{count:,} bytes"


def _boundary(request: Request) -> bytes:
    kind, options = parse_options_header(request.headers.get("content-type"))
    if kind != b"multipart/form-data":
        raise ServingError(415, "the body must be multipart/form-data, with files in its field 'pictures'.")
    if not options.get(b"boundary"):
        raise ServingError(400, "Content-Type: multipart/form-data without its boundary.")
    return options[b"boundary"]


class _Parts:
    """The parts of a form as they come, each held against its limits."""

    def __init__(self, boundary: bytes, limits: Limits) -> None:
        self._limits = limits
        self._form = Form()
        self._complete = False
        try:
            self._parser = MultipartParser(
                boundary,
                {
                    "on_part_begin": self._begin,
                    "on_header_field": self._header_name,
                    "on_header_value": self._header_value,
                    "on_header_end": self._header_end,
                    "on_headers_finished": self._headers_end,
                    "on_part_data": self._data,
                    "on_part_end": self._end,
                    "on_end": self._all,
                },
            )
        except FormParserError as error:
            raise ServingError(400, f"the form is malformed: {error}.") from error

    def feed(self, chunk: bytes) -> None:
        """The next piece of the body."""
        try:
            self._parser.write(chunk)
        except FormParserError as error:
            raise ServingError(400, f"the form is malformed: {error}.") from error

    def form(self) -> Form:
        """What was read, once all is."""
        if not self._complete:
            raise ServingError(400, "the form is cut short: its closing boundary is missing.")
        return self._form

    def _begin(self) -> None:
        self._headers: dict[bytes, bytes] = {}
        self._header = (bytearray(), bytearray())
        self._bytes = bytearray()

    def _header_name(self, data: bytes, start: int, end: int) -> None:
        self._header[0].extend(data[start:end])

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self._header[1].extend(data[start:end])

    def _header_end(self) -> None:
        name, value = self._header
        self._headers[bytes(name).lower()] = bytes(value)
        self._header = (bytearray(), bytearray())

    def _headers_end(self) -> None:
        """Now it is known what the part is, and how large it may be."""
        kind, options = parse_options_header(self._headers.get(b"content-disposition"))
        name, file = options.get(b"name"), options.get(b"filename")
        if kind != b"form-data" or name is None:
            raise ServingError(400, "the form is malformed: a part of it has no name.")
        self._name = name.decode("utf-8", "replace")
        self._file = None if file is None else file.decode("utf-8", "replace")
        if (self._file is None) == (self._name == PICTURES):
            what = "must be a file, with a file name" if self._file is None else "must be text, not a file"
            raise ServingError(422, f"the field {self._name[:100]!r} {what}.")
        limits = self._limits
        if self._name == PICTURES:
            self._most = limits.request_bytes
            if len(self._form.pictures) == limits.pictures:
                raise ServingError(
                    413, f"more than {limits.pictures} pictures in a request. Send several requests."
                )
        else:
            self._most = limits.geojson_bytes if self._name == "within" else _FIELD_BYTES
            if sum(map(len, self._form.texts.values())) == _FIELDS:
                raise ServingError(413, f"more than {_FIELDS} fields in a request.")

    def _data(self, data: bytes, start: int, end: int) -> None:
        if len(self._bytes) + end - start > self._most:
            what = self._name[:100] if self._file is None else self._file[:_NAME_LENGTH]
            raise ServingError(413, f"{what}: larger than {_size(self._most)}.")
        self._bytes += data[start:end]

    def _end(self) -> None:
        if self._file is None:
            try:
                text = self._bytes.decode("utf-8")
            except UnicodeDecodeError as error:
                raise ServingError(400, f"the field {self._name[:100]!r} is not UTF-8.") from error
            self._form.texts.setdefault(self._name, []).append(text)
        elif (
            self._file or self._bytes
        ):  # a page's form whose file field was left empty sends a file without a name
            self._form.pictures.append(Upload(self._file[:_NAME_LENGTH] or "picture", bytes(self._bytes)))
        self._bytes = bytearray()

    def _all(self) -> None:
        self._complete = True
