"""The address of a picture on a network: how it is told from a file, named, and taken apart.

An address may hold what is meant for its server alone: a user and a password before the host, a key in the query. What
Graticule says and writes leaves both out.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256
from ipaddress import IPv6Address
from pathlib import Path
from typing import Final, NamedTuple, TypeAlias
from urllib.parse import quote, urlsplit

from graticule.errors import InputError, PictureError

__all__ = ["Address", "Parts", "Picture", "addressed", "files_only", "is_address", "what_hosts_learn"]

_BEGINNING: Final = re.compile(r"https?://", re.IGNORECASE)
_HOST: Final = re.compile(r"[a-z0-9._-]+")
_PORTS: Final = {"http": 80, "https": 443}
_KEPT: Final = "/%:=&?~+!$,;'@()*[]"
"""Beside letters and digits, what a path or query may hold as it is."""


class Parts(NamedTuple):
    """An address taken apart: all of it ASCII, without control characters and spaces."""

    scheme: str
    """http or https."""
    host: str
    """A name, or an IP address without brackets."""
    port: int
    target: str
    """Path and query: what the server is asked for."""

    @property
    def authority(self) -> str:
        """Host and port, as a request names them."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"


@dataclass(frozen=True, slots=True, repr=False)
class Address:
    """A picture on a network, given where a file might be; it is fetched when a file would be opened.

    Its name, `str(address)`, lacks user, password and fragment, and has in the place of a query the first digits of its
    SHA-256, which tell one query from another.

    Example:
        >>> print(Address("https://someone:secret@example.org/a.jpg?key=123"))
        https://example.org/a.jpg?...05ed1834
    """

    url: str
    """Begins with http:// or https://."""

    def __post_init__(self) -> None:
        if not is_address(self.url):
            raise InputError("address: begins with neither http:// nor https://. Others are not fetched.")

    def __str__(self) -> str:
        before, _, query = self.url.partition("#")[0].partition("?")
        scheme, _, rest = before.partition("://")
        authority, slash, path = rest.partition("/")
        told = f"?...{sha256(query.encode(errors='surrogatepass')).hexdigest()[:8]}" if query else ""
        shown = f"{scheme}://{authority.rpartition('@')[2]}{slash}{path}{told}"
        return "".join(letter if letter.isprintable() else "?" for letter in shown)

    def __repr__(self) -> str:
        return f"Address({str(self)!r})"

    @property
    def encrypted(self) -> bool:
        """Whether it is asked by https."""
        return self.url.lower().startswith("https:")

    def parts(self) -> Parts:
        """Taken apart, for a request.

        Raises:
            PictureError: it names no host, or holds what would be sent to one without being asked for.
        """
        try:
            split = urlsplit(self.url)
            host, port = _ascii(split.hostname or ""), split.port
            if port == 0 or not self.url.isprintable():
                raise ValueError
        except ValueError as error:  # whose words may quote what is not to be told
            raise PictureError(f"{self}: can't be understood. Check how it is written.") from error
        if "@" in split.netloc:
            raise PictureError(
                f"{self}: holds a user or password, which Graticule sends to nobody. Download the picture first."
            )
        target = quote(split.path or "/", safe=_KEPT)
        if split.query:
            target += "?" + quote(split.query, safe=_KEPT)
        return Parts(split.scheme, host, port or _PORTS[split.scheme], target)


Picture: TypeAlias = Path | Address
"""Where a picture is."""


def is_address(text: str) -> bool:
    """Whether a text begins as an address does. A path, which joins slashes, never does."""
    return _BEGINNING.match(text) is not None


def addressed(texts: Iterable[str]) -> list[Picture]:
    """What a user named: addresses where it begins like one, else paths."""
    return [Address(text) if is_address(text) else Path(text) for text in texts]


def files_only(pictures: Iterable[Picture], why: str) -> list[Path]:
    """The same pictures, if all of them are files.

    Args:
        pictures: files and addresses.
        why: what wants files, and for what.

    Raises:
        InputError: there is an address among them.
    """
    files = []
    for picture in pictures:
        if isinstance(picture, Address):
            raise InputError(f"{picture}: is an address, and {why}. Download the picture first.")
        files.append(picture)
    return files


def what_hosts_learn(pictures: Iterable[Picture]) -> str | None:
    """One sentence for the user, before anything is fetched: who is asked, and learns of it. None if nobody is."""
    hosts = {}
    for picture in pictures:
        if isinstance(picture, Address):
            try:
                hosts[picture.parts().host] = True
            except PictureError:  # nobody is asked about this one
                continue
    if not hosts:
        return None
    return (
        f"asks {', '.join(hosts)} for pictures. Who is asked learns the address of this machine and what is looked at; "
        "so does any host that is redirected to."
    )


def _ascii(host: str) -> str:
    """A host as it is resolved and named to a server.

    Raises:
        ValueError: it can't be one.
    """
    if ":" in host:
        if "%" in host:  # a zone: means something on one machine alone
            raise ValueError(host)
        return str(IPv6Address(host))
    name = host.encode("idna").decode("ascii").lower()
    if not _HOST.fullmatch(name):
        raise ValueError(host)
    return name
