"""A file on a web server, read in parts: any of its bytes, with retries, and on from where it broke off."""

from __future__ import annotations

import http.client
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any, Final

from graticule.errors import InputError

__all__ = ["RemoteFile"]

CHUNK: Final = 1 << 20
TIMEOUT_S: Final = 30.0
TRIES: Final = 6
"""Failures in a row that are borne; any byte that arrives starts the count anew."""
FINAL: Final = (400, 401, 403, 404, 410, 416)
"""Answers that asking again won't change."""


class RemoteFile:
    """Bytes behind a URL.

    Attributes:
        url: where.
        bytes: how many there are; known once something was read, if the server says so.
        etag: what the server calls this state of the file.
        linked: the SHA-256 of the whole file, as a hub gives it where it redirects to its store.
    """

    def __init__(self, url: str) -> None:
        """Name a file, by http or https; nothing is asked of the server yet."""
        self.url = url
        self.bytes: int | None = None
        self.etag: str | None = None
        self._redirects = _Redirects()
        self._opener = urllib.request.build_opener(self._redirects)

    def read(self, first: int, end: int) -> bytes:
        """The bytes from `first` up to `end`, which is not included.

        Raises:
            InputError: they can't be had.
        """
        return b"".join(self.stream(first, end))

    def stream(self, first: int, end: int) -> Iterator[bytes]:
        """The same in pieces. A connection that breaks is opened again where it broke.

        Raises:
            InputError: they can't be had.
        """
        failures = 0
        while first < end:
            try:
                with self._open(first, end) as body:
                    while first < end:
                        piece = body.read(min(CHUNK, end - first))
                        if not piece:
                            raise http.client.IncompleteRead(b"", end - first)
                        first += len(piece)
                        failures = 0
                        yield piece
            except urllib.error.HTTPError as error:
                failures = TRIES if error.code in FINAL else failures + 1
                self._give_up_or_wait(failures, f"the server answers {error.code} {error.reason}")
            except (OSError, http.client.HTTPException) as error:
                failures += 1
                reason = getattr(error, "reason", None) or str(error) or type(error).__name__
                self._give_up_or_wait(failures, str(reason))

    @contextmanager
    def _open(self, first: int, end: int) -> Iterator[IO[bytes]]:
        request = urllib.request.Request(self.url, headers={"Range": f"bytes={first}-{end - 1}"})
        with self._opener.open(request, timeout=TIMEOUT_S) as answer:
            self._note(answer)
            if answer.status != 206:
                # A server without ranges sends the file from its beginning.
                _skip(answer, first)
            elif not answer.headers.get("Content-Range", "").startswith(f"bytes {first}-"):
                raise InputError(
                    f"{self.url}: the server sends other bytes than it was asked for; use another."
                )
            yield answer

    def _note(self, answer: Any) -> None:
        """Learn the file's length and state; refuse a file that changed since the last answer."""
        whole = answer.headers.get("Content-Range", "").rpartition("/")[2] if answer.status == 206 else None
        length = whole or answer.headers.get("Content-Length") or ""
        size, etag = int(length) if length.isdigit() else None, answer.headers.get("ETag")
        if self.bytes is not None and (size, etag) != (self.bytes, self.etag):
            raise InputError(f"{self.url}: the file changed while it was being read; start again.")
        self.bytes, self.etag = size, etag

    @property
    def linked(self) -> str | None:
        """See the class."""
        return self._redirects.linked

    def _give_up_or_wait(self, failures: int, reason: str) -> None:
        if failures >= TRIES:
            raise InputError(
                f"{self.url}: {reason}. What has arrived is kept: run the command again to go on from there."
            )
        time.sleep(min(30.0, 2.0 ** (failures - 1)))


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows a hub to where its files lie, but never from https to http; keeps the digest it gives on the way."""

    def __init__(self) -> None:
        self.linked: str | None = None

    def redirect_request(
        self, req: urllib.request.Request, fp: Any, code: int, msg: str, headers: Any, newurl: str
    ) -> urllib.request.Request | None:
        """The request to the new place."""
        if req.type == "https" and not newurl.startswith("https:"):
            raise InputError(
                f"{req.full_url}: redirects to {newurl}, which is not encrypted; use another server."
            )
        self.linked = headers.get("X-Linked-ETag", "").strip('"') or self.linked
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _skip(body: IO[bytes], count: int) -> None:
    while count:
        piece = body.read(min(CHUNK, count))
        if not piece:
            raise http.client.IncompleteRead(b"", count)
        count -= len(piece)
