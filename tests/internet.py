"""A small internet for tests: names, public IP addresses and servers behind them, all of it on loopback.

Two functions of `graticule.images.remote` are replaced: `_look_up`, which asks for the IP addresses of a name, and
`_dial`, which connects to one that has been checked. All else, the check itself too, is as it is for a user.
"""

import socket
import threading
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from graticule.images import remote

PUBLIC = "93.184.215.14"
"""Where `Internet.site` has its pages."""
PUBLIC_6 = "2606:2800:21f:cb07::1"
ENDLESS = 1 << 40


class Handler(BaseHTTPRequestHandler):
    """Answers with the raw bytes that stand for a path, or lets a function answer."""

    def do_GET(self):
        self.server.asked.append(self.path)
        self.server.heads.append(self.requestline + "\n" + str(self.headers))
        page = self.server.pages.get(self.path, self.server.otherwise)
        self.close_connection = True
        with suppress(OSError):  # whoever asked may have had enough
            page(self.server, self.wfile.write) if callable(page) else self.wfile.write(page)

    def log_message(self, *_):
        pass


class Server(ThreadingHTTPServer):
    """A real server on loopback. `released` is set when it is to end, and whatever waits in it."""

    daemon_threads = True

    def __init__(self, pages, otherwise):
        self.pages, self.otherwise = dict(pages), otherwise
        self.asked, self.heads, self.released = [], [], threading.Event()
        super().__init__(("127.0.0.1", 0), Handler)

    def handle_error(self, *_):
        pass


@contextmanager
def serving(pages=(), otherwise=b""):
    """A server while the block runs."""
    server = Server(pages, otherwise)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.released.set()
        server.shutdown()
        server.server_close()
        thread.join()


class Internet:
    """Who is where, and who was asked for.

    Attributes:
        names: of each name, what it resolves to: lists of IP addresses, one list a look-up, the last one for ever.
        site: the server at `PUBLIC` and `PUBLIC_6`, whatever the port.
        inside: the server at all other IP addresses: what nobody may reach.
        looked_up: the names, in order.
        dialled: the IP addresses that were connected to, in order.
    """

    def __init__(self, site, inside):
        self.site, self.inside = site, inside
        self.names = {"site.example": [[PUBLIC]], "localhost": [["127.0.0.1"]]}
        self.looked_up, self.dialled = [], []

    def look_up(self, host, port):
        """As `remote._look_up`."""
        options = {"type": socket.SOCK_STREAM}
        if host not in self.names:
            # As numbers alone, in all ways in which the system reads them.
            return socket.getaddrinfo(host, port, flags=socket.AI_NUMERICHOST, **options)
        self.looked_up.append(host)
        answers = self.names[host]
        ips = answers.pop(0) if len(answers) > 1 else answers[0]
        return [line for ip in ips for line in socket.getaddrinfo(ip, port, **options)]

    def dial(self, family, kind, protocol, place, seconds):
        """As `remote._dial`."""
        self.dialled.append(place[0])
        server = self.site if place[0] in (PUBLIC, PUBLIC_6) else self.inside
        return socket.create_connection(server.server_address, seconds)


@contextmanager
def internet(monkeypatch, pages, inside=b""):
    """An `Internet` while the block runs, whose site has some pages, and whose inside always gives the same answer."""
    with serving(pages, page(404, b"")) as site, serving(otherwise=inside) as within:
        small = Internet(site, within)
        monkeypatch.setattr(remote, "_look_up", small.look_up)
        monkeypatch.setattr(remote, "_dial", small.dial)
        yield small


def page(status, body, *headers, length=None):
    """An answer as bytes."""
    told = len(body) if length is None else length
    head = [f"HTTP/1.1 {status} Fine", f"Content-Length: {told}", *headers, "", ""]
    return "\r\n".join(head).encode() + body


def moved(location, status=302):
    """An answer that redirects."""
    return page(status, b"", f"Location: {location}")


def forever(head, piece, most=ENDLESS):
    """An answer that begins with some bytes and repeats others, so many bytes of them."""

    def answer(server, write):
        write(head)
        sent = 0
        while sent < most and not server.released.is_set():
            write(piece)
            sent += len(piece)

    return answer


def dripping(answer, after=0, pause_s=0.005):
    """An answer whose bytes come one at a time, from one of them on."""

    def drip(server, write):
        write(answer[:after])
        for number in range(after, len(answer)):
            if server.released.wait(pause_s):
                return
            write(answer[number : number + 1])

    return drip


def silent(server, _write):
    """Says nothing, for ever."""
    server.released.wait()
