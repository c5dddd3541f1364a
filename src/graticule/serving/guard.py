"""Who may ask: the checks that come before a request is looked at, and the headers that every answer carries.

The server usually runs on a person's own machine, without a key, while a browser there shows pages of strangers. Such
a page must not be able to use it:

    Host             must be an address, or a name that is known: another server's name that was made to
                     point here (DNS rebinding) is none
    Origin           of a request from a page must be this server; there is no CORS
    Sec-Fetch-Site   the same for requests that carry no Origin, such as pictures that a page shows
"""

from __future__ import annotations

import hmac
import ipaddress
import socket
from collections.abc import Iterable
from typing import Final
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from graticule.serving.problems import ServingError, problem

__all__ = ["Guard", "SecurityHeaders"]

_OPEN: Final = ("/", "/healthz", "/readyz", "/openapi.json")
"""Paths that need no key: the page and its assets hold no secrets."""

_HEADERS: Final = {
    "Content-Security-Policy": "default-src 'self'; img-src 'self' blob: data:; worker-src 'self' blob:; "
    "style-src 'self'; object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
}


class SecurityHeaders:
    """Puts the headers on every answer; answers are not to be kept unless they say so."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.update(_HEADERS)
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        await self._app(scope, receive, with_headers)


class Guard:
    """Turns away who may not ask."""

    def __init__(self, app: ASGIApp, *, api_key: str | None, allowed_hosts: Iterable[str]) -> None:
        """Stand before an application.

        Args:
            app: what is guarded.
            api_key: what `Authorization: Bearer` must hold, if anything.
            allowed_hosts: further names that requests may call this server by.
        """
        self._app = app
        self._key = None if api_key is None else api_key.encode()
        self._hosts = {"localhost", socket.gethostname().lower(), *(name.lower() for name in allowed_hosts)}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or turn it away."""
        if scope["type"] == "http":
            try:
                self._check(scope["path"], Headers(scope=scope))
            except ServingError as error:
                await problem(error.status, str(error))(scope, receive, send)
                return
        await self._app(scope, receive, send)

    def _check(self, path: str, headers: Headers) -> None:
        if self._key is not None:
            self._check_key(path, headers.get("authorization", ""))
        elif not self._is_known(headers.get("host", "")):
            # A page of another name can't know the key, so with one any name will do.
            raise ServingError(
                403,
                "this server is not called by that name. Call it by its address, or start it with --allow-host.",
            )
        _check_page(headers)

    def _is_known(self, host: str) -> bool:
        try:
            name = urlsplit(f"//{host}").hostname or ""
        except ValueError:
            return False
        return name in self._hosts or _is_address(name)

    def _check_key(self, path: str, shown: str) -> None:
        if path in _OPEN or path.startswith("/assets/"):
            return
        scheme, _, key = shown.partition(" ")
        right = hmac.compare_digest(key.strip().encode("utf-8", "surrogateescape"), self._key or b"")
        if scheme.lower() != "bearer" or not right:
            raise ServingError(401, "this server wants its key: send it as 'Authorization: Bearer KEY'.")


def _check_page(headers: Headers) -> None:
    """Turn away requests that a page of another server made.

    Raises:
        ServingError: This is one.
    """
    origin = headers.get("origin")
    if origin is not None:
        foreign = urlsplit(origin).netloc.lower() != headers.get("host", "").lower() or origin == "null"
    else:
        # What a person follows or types in is a navigation; it shows the page and changes nothing.
        site, mode = headers.get("sec-fetch-site", "none"), headers.get("sec-fetch-mode", "navigate")
        foreign = site in ("cross-site", "same-site") and mode != "navigate"
    if foreign:
        raise ServingError(
            403, "this request was made by a page of another server, which may not use this one."
        )


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
