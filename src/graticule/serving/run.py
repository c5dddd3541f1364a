"""A server as a process: a socket, uvicorn, a browser, and an end that loses nobody's answer."""

from __future__ import annotations

import errno
import logging
import math
import signal
import socket
import threading
import webbrowser
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import uvicorn
from starlette.types import ASGIApp

from graticule.errors import ConfigError
from graticule.serving.protocol import patient_protocol
from graticule.serving.settings import Settings

__all__ = ["listening", "run", "server_of", "url_of"]


def listening(settings: Settings) -> socket.socket:
    """A socket that takes connections already.

    Raises:
        ConfigError: the address is not this machine's, or taken.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            settings.host, settings.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        bound = socket.socket(family, kind, protocol)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(address)
    except OSError as error:
        taken = error.errno == errno.EADDRINUSE
        hint = "--port 0 takes any that is free" if taken else "--host takes an address of this machine"
        raise ConfigError(
            f"{settings.host}, port {settings.port}: can't listen there ({error.strerror}); {hint}."
        ) from error
    bound.listen(2048)
    return bound


def url_of(settings: Settings, bound: socket.socket) -> str:
    """Where a browser on this machine finds the server."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.host, settings.host)
    return f"http://{f'[{host}]' if ':' in host else host}:{bound.getsockname()[1]}/"


def server_of(app: ASGIApp, settings: Settings) -> uvicorn.Server:
    """uvicorn, set up for an application."""
    config = uvicorn.Config(
        app,
        http=patient_protocol(settings.limits),
        ws="none",
        lifespan="on",
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=math.ceil(settings.limits.drain_s),
    )
    return uvicorn.Server(config)


def run(app: ASGIApp, settings: Settings, bound: socket.socket, *, open_browser: bool = False) -> None:
    """Serve until told to stop, by SIGTERM or Ctrl+C; requests in progress are then given time to end.

    Args:
        app: what answers.
        settings: its limits.
        bound: as `listening` gives it.
        open_browser: show the page.
    """
    logging.basicConfig(format="%(asctime)s %(message)s")
    logging.getLogger("graticule").setLevel(logging.INFO)
    if open_browser:
        # The socket listens: the browser waits there until the first request is taken.
        threading.Thread(target=webbrowser.open, args=(url_of(settings, bound),), daemon=True).start()
    with _ending_well():
        server_of(app, settings).run(sockets=[bound])


@contextmanager
def _ending_well() -> Iterator[None]:
    """Uvicorn repeats the signal that stopped it, when it is done; to be told to stop is no failure."""
    before = signal.signal(signal.SIGTERM, lambda *_: None)
    try:
        with suppress(KeyboardInterrupt):
            yield
    finally:
        signal.signal(signal.SIGTERM, before)
