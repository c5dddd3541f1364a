"""A real server on loopback that speaks chat completions, and misbehaves in every way it is told to.

A behaviour is data: the name of a method of `Handler` with its arguments, as in ("says", '{"choice": 2}').
"""

import base64
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


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        server = self.server
        with server.lock:
            turn = len(server.received)
            server.received.append((self.path, dict(self.headers), body))
            server.under_way += 1
            server.most_under_way = max(server.most_under_way, server.under_way)
        try:
            name, *arguments = server.behaviours[min(turn, len(server.behaviours) - 1)]
            getattr(self, name)(*arguments)
        except OSError:
            self.close_connection = True
        finally:
            with server.lock:
                server.under_way -= 1

    def log_message(self, *arguments):
        pass

    def answer(self, code, body, headers=()):
        self.send_response_only(code)
        for name, value in dict(headers).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def says(self, content, finish_reason="stop", usage=(100, 10), **message):
        choice = {"index": 0, "finish_reason": finish_reason, "message": {"content": content, **message}}
        reply = {"id": "1", "object": "chat.completion", "model": "eye", "choices": [choice]}
        if usage:
            reply["usage"] = {"prompt_tokens": usage[0], "completion_tokens": usage[1]}
        self.answer(200, json.dumps(reply).encode())

    def refuses(self):
        self.says(None, refusal="I can't help with that.")

    def is_cut_off(self, content, finish_reason):
        self.says(content, finish_reason)

    def counts(self, content, usage):
        self.says(content, usage=usage)

    def sends(self, body):
        self.answer(200, body)

    def fails(self, code, message="no", headers=()):
        self.answer(code, json.dumps({"error": {"message": message}}).encode(), headers)

    def floods(self, code):
        self.answer(code, b"x" * (1 << 21))

    def hangs(self):
        self.server.released.wait(300)

    def drips(self):
        """A byte now and then, for ever: no single read takes long."""
        self.send_response(200)
        self.send_header("Content-Length", "1000000")
        self.end_headers()
        while not self.server.released.wait(0.02):
            self.wfile.write(b" ")

    def resets(self):
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.rfile.close()
        self.wfile.close()
        self.connection.close()

    def hangs_up(self):
        self.close_connection = True

    def breaks_off(self):
        self.send_response(200)
        self.send_header("Content-Length", "1000")
        self.end_headers()
        self.wfile.write(b'{"choices": [{"message": {"content": "2"')
        self.close_connection = True

    def speaks_something_else(self):
        self.wfile.write(b"SSH-2.0-OpenSSH_9.9\r\n")
        self.close_connection = True

    def waits_for_company(self, count, content):
        """Answers once `count` requests are under way."""
        while self.server.most_under_way < count and not self.server.released.wait(0.01):
            pass
        self.says(content)

    def interrupts(self):
        """Ctrl-C while the request is under way."""
        import os
        import signal

        os.kill(os.getpid(), signal.SIGINT)
        self.hangs()


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
        """Clients that hang up are the point."""

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}/v1"

    def requests(self):
        return [json.loads(body) for _, _, body in self.received]

    def pictures(self):
        """The JPEGs that arrived, as bytes."""
        urls = [request["messages"][0]["content"][1]["image_url"]["url"] for request in self.requests()]
        return [base64.b64decode(url.removeprefix("data:image/jpeg;base64,"), validate=True) for url in urls]


@pytest.fixture
def start_server():
    started = []

    def start():
        server = ChatServer()
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        started.append((server, thread))
        return server

    yield start
    for server, thread in started:
        server.released.set()
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def server(start_server):
    return start_server()


@pytest.fixture(scope="session")
def jpeg():
    """A maker of JPEGs that are not all of one colour."""

    def make(width=64, height=48, **options):
        y, x = np.mgrid[:height, :width]
        image = Image.fromarray(np.stack([x % 256, y % 256, (x + y) % 256], -1).astype(np.uint8))
        out = io.BytesIO()
        image.save(out, "JPEG", **options)
        return out.getvalue()

    return make


@pytest.fixture
def waits():
    """The waits a judge made, in seconds; nobody really waits."""
    return []


@pytest.fixture
def make_judge(server, waits):
    """A judge that asks the server; one picture after another, so that behaviours meet them in order."""

    async def sleep(seconds):
        waits.append(seconds)

    def make(*behaviours, **settings):
        server.behaviours[:] = behaviours
        settings = {"url": server.url, "model": "eye", "timeout_s": 300.0, "concurrency": 1} | settings
        return Judge(JudgeConfig(**settings), sleep=sleep)

    return make
