"""Fetching a picture from an address, without becoming a way into the network that this machine stands in.

An address may come from anybody, and its server may be anybody's. Therefore, for one picture:

    whom        http and https alone, and of hosts those whose every IP address is public (`images.reachable`)
    resolved    once; the connection goes to an IP address that was checked, not to the name
    redirects   few, each checked like the first; from https never to http
    time        one limit from the first look-up to the last byte, however slowly they drip
    bytes       one limit on all that arrives, counted as it arrives; nothing is unpacked
    told        path, host and that Graticule asks: no cookie, no referrer, no password; proxies are not asked
    kept        in memory, and no longer than until the picture is decoded
"""

from __future__ import annotations

import io
import queue
import socket
import ssl
from functools import cache
from http import HTTPStatus
from http.client import HTTPException, HTTPResponse, IncompleteRead
from ipaddress import ip_address
from threading import Thread
from time import monotonic
from typing import Any, Final, TypeAlias, cast
from urllib.parse import urljoin

from graticule.errors import InputError, PictureError
from graticule.images.address import Address, Parts
from graticule.images.reachable import reachable

__all__ = ["CONNECT_S", "MAX_BYTES", "MAX_REDIRECTS", "TIMEOUT_S", "fetch"]

MAX_BYTES: Final = 64 << 20
"""All that may arrive for one picture: body and headers, over all redirects."""
TIMEOUT_S: Final = 60.0
"""All that one picture may take, from the first look-up to the last byte."""
CONNECT_S: Final = 10.0
"""One IP address of a host may take so long to be reached, before its next one is tried."""
MAX_REDIRECTS: Final = 5

_PIECE: Final = 1 << 16
_LONGEST: Final = 4096
"""Letters of an address that is redirected to."""
_MOVED: Final = (301, 302, 303, 307, 308)

Found: TypeAlias = tuple[Any, ...]
"""A line of `socket.getaddrinfo`: family, type, protocol, canonical name, (IP address, port, ...)."""


def fetch(address: Address) -> bytes:
    """The bytes of the picture at an address, whatever they are.

    Raises:
        PictureError: they can't be had, or must not be asked for.
    """
    allowance, hop = _Allowance(TIMEOUT_S, MAX_BYTES), address
    for _ in range(1 + MAX_REDIRECTS):
        try:
            answer = _ask(hop, allowance)
        except PictureError as error:
            if hop is address:
                raise
            raise PictureError(f"{address}: redirects to {error}") from error
        if isinstance(answer, bytes):
            return answer
        hop = answer
    raise PictureError(f"{address}: redirects more than {MAX_REDIRECTS} times. Download the picture first.")


class _TooMuchError(OSError):
    """More arrives than may."""


class _Allowance:
    """The time and the bytes that one picture may take."""

    def __init__(self, seconds: float, count: int) -> None:
        self._end, self._count = monotonic() + seconds, count

    def seconds(self) -> float:
        """What is left of the time.

        Raises:
            TimeoutError: nothing.
        """
        if (left := self._end - monotonic()) <= 0:
            raise TimeoutError
        return left

    def take(self, count: int) -> None:
        """Count bytes that have arrived.

        Raises:
            _TooMuchError: more than are left.
        """
        self._count -= count
        if self._count < 0:
            raise _TooMuchError


class _Wire(io.RawIOBase):
    """What a connection brings, within an allowance: no read waits longer than for what is left of the whole time."""

    def __init__(self, connection: socket.socket, allowance: _Allowance) -> None:
        self._connection, self._allowance = connection, allowance

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Wait for some bytes; 0 at the end."""
        self._connection.settimeout(self._allowance.seconds())
        count = self._connection.recv_into(buffer)
        self._allowance.take(count)
        return count

    def makefile(self, *_: object) -> io.BufferedReader:
        """As of a socket: all that `HTTPResponse` wants of one."""
        return io.BufferedReader(self)


def _ask(hop: Address, allowance: _Allowance) -> bytes | Address:
    """Ask one server: the picture, or where else it is.

    Raises:
        PictureError: neither can be had, or must be asked for.
    """
    parts = hop.parts()
    try:
        with _connected(hop, parts, allowance) as connection:
            connection.settimeout(allowance.seconds())
            connection.sendall(_request(parts))
            response = HTTPResponse(cast("socket.socket", _Wire(connection, allowance)), method="GET")
            response.begin()
            return _answer(hop, response)
    except (OSError, HTTPException, ValueError) as error:
        raise PictureError(f"{hop}: {_why(error)}") from error


def _connected(hop: Address, parts: Parts, allowance: _Allowance) -> socket.socket:
    """A connection to a server whose every IP address is public; encrypted, and its name proved, for https."""
    found = _resolved(parts, allowance)
    for *_, place in found:
        if not reachable(ip_address(place[0])):
            raise PictureError(
                f"{hop}: leads to {place[0]}, which is no public address. Download the picture first, if you trust it."
            )
    connection = _first_reached(found, allowance)
    if parts.scheme == "http":
        return connection
    try:
        connection.settimeout(allowance.seconds())
        return _tls().wrap_socket(connection, server_hostname=parts.host)
    except BaseException:
        connection.close()
        raise


def _resolved(parts: Parts, allowance: _Allowance) -> list[Found]:
    """All IP addresses of a host. A look-up can't be cut short: it is waited for elsewhere, and then left alone."""
    answers: queue.SimpleQueue[list[Found] | Exception] = queue.SimpleQueue()

    def wait() -> None:
        try:
            answers.put(_look_up(parts.host, parts.port))
        except Exception as error:  # raised where the answer is waited for
            answers.put(error)

    Thread(target=wait, name="graticule-resolve", daemon=True).start()
    try:
        answer = answers.get(timeout=allowance.seconds())
    except queue.Empty as error:
        raise TimeoutError from error
    if isinstance(answer, Exception):
        raise answer
    return answer


def _look_up(host: str, port: int) -> list[Found]:
    return [*socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]


def _first_reached(found: list[Found], allowance: _Allowance) -> socket.socket:
    problem = OSError("no IP address")
    for family, kind, protocol, _, place in found:
        try:
            return _dial(family, kind, protocol, place, min(CONNECT_S, allowance.seconds()))
        except OSError as error:
            problem = error
    raise problem


def _dial(family: int, kind: int, protocol: int, place: Any, seconds: float) -> socket.socket:
    """Connect to an IP address: this very one."""
    connection = socket.socket(family, kind, protocol)
    try:
        connection.settimeout(seconds)
        connection.connect(place)
    except BaseException:
        connection.close()
        raise
    return connection


@cache
def _tls() -> ssl.SSLContext:
    """Certificates and names are checked, by what the system trusts."""
    return ssl.create_default_context()


def _request(parts: Parts) -> bytes:
    lines = (
        f"GET {parts.target} HTTP/1.1",
        f"Host: {parts.authority}",
        "User-Agent: Graticule",
        "Accept: */*",
        "Accept-Encoding: identity",
        "Connection: close",
        "",
        "",
    )
    return "\r\n".join(lines).encode("ascii")


def _answer(hop: Address, response: HTTPResponse) -> bytes | Address:
    location = response.getheader("Location")
    if response.status in _MOVED and location is not None:
        return _redirected(hop, location)
    if response.status != HTTPStatus.OK:
        raise PictureError(f"{hop}: its server answers {_status(response.status)}. Check the address.")
    if _codings(response) - {"identity", "chunked"}:
        raise PictureError(f"{hop}: its server packs what was to come plain. Download the picture first.")
    if response.length is not None and response.length > MAX_BYTES:
        raise _TooMuchError
    pieces = []
    while piece := response.read(_PIECE):
        pieces.append(piece)
    if response.length:  # what is lacking of the length declared
        raise IncompleteRead(b"", response.length)
    return b"".join(pieces)


def _redirected(hop: Address, location: str) -> Address:
    """Where a server says that a picture is.

    Raises:
        PictureError: it is nowhere that may be asked.
    """
    try:
        # Headers come as Latin-1, and mean UTF-8 where they hold more than ASCII.
        url = urljoin(hop.url, location.encode("latin-1").decode(errors="replace"))
        if len(url) > _LONGEST:
            raise ValueError
        onwards = Address(url)
    except (ValueError, InputError) as error:
        raise PictureError(
            f"{hop}: redirects to what is no address by http or https. Download the picture first."
        ) from error
    if hop.encrypted and not onwards.encrypted:
        raise PictureError(f"{hop}: redirects from https to http. Download the picture first.")
    return onwards


def _codings(response: HTTPResponse) -> set[str]:
    """How a body is packed, on its way and at all."""
    told = (response.getheader(name, "") for name in ("Content-Encoding", "Transfer-Encoding"))
    return {coding.strip().lower() for codings in told for coding in codings.split(",")} - {""}


def _status(code: int) -> str:
    """A status in our words; the server's could be anything."""
    try:
        return f"{code} {HTTPStatus(code).phrase}"
    except ValueError:
        return str(code)


def _why(error: Exception) -> str:
    """What went wrong, and what to do."""
    if isinstance(error, _TooMuchError):
        return f"more than {MAX_BYTES / 2**20:g} MiB arrive. Download it first, and save a smaller copy."
    if isinstance(error, TimeoutError):
        return f"too slow: {TIMEOUT_S:g} s are the most. Try again later, or download it first."
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its server does not prove to be the one named ({error.verify_message}). Check the address."
    if isinstance(error, socket.gaierror):
        return f"its host can't be found ({error.strerror}). Check the address, and the network."
    if isinstance(error, IncompleteRead | ConnectionResetError | BrokenPipeError):
        return "its server broke off. Try again later."
    if isinstance(error, OSError):
        return f"its server can't be reached ({error.strerror or error}). Check the address, or try later."
    return "its server does not speak HTTP. Check the address."
