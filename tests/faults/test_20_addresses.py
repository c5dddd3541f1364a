"""Fault 20: an address in the place of a picture, which may lead into the network behind this machine."""

import shutil
import socket
import threading
import urllib.request
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest

from asking import FORM, form
from faults.answers import refused_alone
from faults.fault import Fault
from graticule.images import open as door
from serving.conftest import StandIn, running

FAULT = Fault(
    number=20,
    fault="URL input to private addresses, redirects to them, DNS rebinding, IPv6-mapped",
    defence="there is no URL input: an address is refused by name, and neither resolved nor fetched (images/open.py)",
)

ADDRESSES = [
    "http://127.0.0.1:{port}/a.png",
    "HTTP://127.0.0.1:{port}/a.png",
    "http://localhost:{port}/a.png",
    "http://2130706433:{port}/a.png",
    "http://0x7f.1:{port}/a.png",
    "http://[::ffff:127.0.0.1]:{port}/a.png",
    "http://someone:secret@127.0.0.1:{port}/a.png",
    "http://169.254.169.254/latest/meta-data/",
    "http://10.0.0.1/a.png",
    "http://[64:ff9b::7f00:1]/a.png",
    "http://rebinding.example/a.png",
    "https://example.org/a.png",
    "ftp://127.0.0.1:{port}/a.png",
    "file:///etc/passwd",
    "file://localhost{here}",
]


@contextmanager
def listening(picture):
    """A server that would give the picture; `asked` are the paths it was asked for."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.server.asked.append(self.path)
            self.send_response(200)
            self.end_headers()
            self.wfile.write(picture.read_bytes())

        def log_message(self, *arguments):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.asked = []
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def check_command(model, picture, capsys, monkeypatch):
    """Each address is refused by name, and no name is looked up or connected to. Gives how many were tried."""
    looked_up, resolve = [], socket.getaddrinfo

    def here(host, *asked, **options):
        """A resolver for which all names mean this machine."""
        looked_up.append(host)
        return resolve("127.0.0.1", *asked, **options)

    monkeypatch.setattr(socket, "getaddrinfo", here)
    with listening(picture) as server:
        given = [address.format(port=server.server_port, here=picture) for address in ADDRESSES]
        bad = [Path(address) for address in given]
        messages = refused_alone(capsys, model, bad, picture)
        assert not server.asked
    assert not looked_up
    for path, message in zip(bad, messages, strict=True):
        assert message.startswith(f"{path}: ")
        assert "none is fetched unasked" in message
    return len(given)


def check_service(picture):
    """A form that names an address in the place of a file is refused, and nothing is fetched."""
    with listening(picture) as server, running({"stand-in": StandIn()}) as service:
        address = f"http://127.0.0.1:{server.server_port}/a.png".encode()
        for part in (("pictures", None, address), ("url", None, address)):
            answer = httpx.post(f"{service.url}v1/locate", content=form(part), headers=FORM, timeout=60)
            assert answer.status_code == 422, answer.text
        assert not server.asked
    return 2


def test_an_address_is_refused_by_name(small_folder, picture, capsys, monkeypatch, record_property):
    record_property("inputs", check_command(small_folder, picture, capsys, monkeypatch))


def test_the_service_fetches_nothing(picture, record_property):
    record_property("inputs", check_service(picture))


def test_a_file_that_is_called_like_an_address_is_a_file(
    small_folder, picture, tmp_path, capsys, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    named = Path("http://example.org/a.png")
    named.parent.mkdir(parents=True)
    shutil.copy(picture, named)
    with pytest.raises(AssertionError):  # it is answered
        refused_alone(capsys, small_folder, [named], picture)


def test_without_the_defence_it_is_fetched(small_folder, picture, capsys, monkeypatch):
    closed = door.byte_stream

    def fetching(source, name):
        if isinstance(source, Path) and source.parts[0].lower() in ("http:", "ftp:", "file:"):
            address = str(source).replace(":/", "://", 1)
            try:
                return closed(urllib.request.urlopen(address, timeout=5).read(), name)
            except Exception as error:
                raise FileNotFoundError(name) from error
        return closed(source, name)

    monkeypatch.setattr(door, "byte_stream", fetching)
    with pytest.raises(AssertionError):
        check_command(small_folder, picture, capsys, monkeypatch)
