"""A real server on loopback that speaks chat completions, or misbehaves in every way it is told to."""

import io
import json
import socket
import struct
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
from PIL import Image

from graticule.decoding.judge.client import Judge
from graticule.decoding.judge.config import JudgeConfig
from graticule.decoding.judge.verdict import JudgeCandidate

PARIS, SYDNEY, LIMA = (
    JudgeCandidate(48.8584, 2.2945, 0.5),
    JudgeCandidate(-33.8568, 151.2153, 0.3),
    JudgeCandidate(-12.0464, -77.0428),
)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        server = self.server
        with server.lock:
            turn = len(server.received)
            server.received.append((self.path, dict(self.headers), body))
            server.under_way += 1
            server.most_under_way = max(server.most_under_way, server.under_way)
        try:
            behaviour = server.behaviours[min(turn, len(server.behaviours) - 1)]
            behaviour(self)
        except OSError:
            self.close_connection = True
        finally:
            with server.lock:
                server.under_way -= 1

    do_GET = do_POST

    def log_message(self, *arguments):
        pass

    def answer(self, code, body, headers=()):
        self.send_response(code)
        for name, value in dict(headers).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class ChatServer(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.behaviours = []
        self.received = []
        self.lock = threading.Lock()
        self.under_way = self.most_under_way = 0
        self.released = threading.Event()

    def handle_error(self, request, client_address):
        pass  # clients that hang up are the point

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}/v1"

    def requests(self):
        return [json.loads(body) for _, _, body in self.received]

    def pictures(self):
        """The JPEGs that arrived, as bytes."""
        import base64

        urls = [request["messages"][-1]["content"][1]["image_url"]["url"] for request in self.requests()]
        return [base64.b64decode(url.removeprefix("data:image/jpeg;base64,"), validate=True) for url in urls]


def completion(content, *, finish_reason="stop", usage=(100, 10), **message):
    reply = {
        "id": "1",
        "object": "chat.completion",
        "model": "eye",
        "choices": [
            {
                "index": 0,
                "finish_reason": finish_reason,
                "message": {"role": "assistant", "content": content, **message},
            }
        ],
    }
    if usage:
        reply["usage"] = {
            "prompt_tokens": usage[0],
            "completion_tokens": usage[1],
            "total_tokens": sum(usage),
        }
    return json.dumps(reply).encode()


def says(content, **options):
    return raw(completion(content, **options))


def raw(body, kind="application/json"):
    return lambda handler: handler.answer(200, body, {"Content-Type": kind})


def status(code, message="no", **headers):
    body = json.dumps({"error": {"message": message}}).encode()
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda handler: handler.answer(code, body, headers)


def hang(handler):
    handler.server.released.wait(20)


def reset(handler):
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    handler.connection.close()


def hang_up(handler):
    handler.close_connection = True


def cut_short(handler):
    handler.send_response(200)
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    handler.wfile.write(completion('{"choice": 2}')[:60])
    handler.close_connection = True


def drip(handler):
    """A byte now and then, for ever: no single read takes long."""
    handler.send_response(200)
    handler.send_header("Content-Length", "1000000")
    handler.end_headers()
    while not handler.server.released.wait(0.02):
        handler.wfile.write(b" ")


def flood(handler):
    handler.answer(200, completion('{"choice": 2}') + b" " * (1 << 21))


def flood_error(handler):
    handler.answer(500, b"x" * (1 << 21))


def nonsense(handler):
    handler.wfile.write(b"SSH-2.0-OpenSSH_9.9\r\n")
    handler.close_connection = True


@pytest.fixture
def server():
    server = ChatServer()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield server
    server.released.set()
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def picture():
    """A JPEG of 64 x 48 pixels."""
    return jpeg(64, 48)


def jpeg(width, height, **options):
    y, x = np.mgrid[:height, :width]
    image = Image.fromarray(np.stack([x * 3, y * 4, x + y], -1).astype(np.uint8))
    out = io.BytesIO()
    image.save(out, "JPEG", **options)
    return out.getvalue()


@pytest.fixture
def waits():
    """The waits a judge made, in seconds; nobody really waits."""
    return []


@pytest.fixture
def make_judge(server, waits):
    async def sleep(seconds):
        waits.append(seconds)

    def make(*behaviours, **settings):
        server.behaviours[:] = behaviours
        settings = {"url": server.url, "model": "eye", "timeout_s": 20.0, "concurrency": 1} | settings
        return Judge(JudgeConfig(**settings), sleep=sleep)

    return make
