"""Servers as processes, and requests to them, for tests."""

import io
import os
import re
import socket
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image

EXAMPLES = Path(__file__).parents[1] / "examples" / "pictures"
VIEWS = sorted(EXAMPLES.glob("*.png"))


def png(size=8, value=0):
    written = io.BytesIO()
    Image.fromarray(np.full((size, size, 3), value, np.uint8)).save(written, "PNG")
    return written.getvalue()


def pictures(*paths):
    """Files of a form, as httpx takes them."""
    return [("pictures", (path.name, path.read_bytes(), "image/png")) for path in paths]


def form(*parts, boundary="xx"):
    """The body of a form: parts are (name, filename or None, bytes)."""
    body = b""
    for name, filename, data in parts:
        file = "" if filename is None else f'; filename="{filename}"'
        head = f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"{file}\r\n\r\n'
        body += head.encode() + data + b"\r\n"
    return body + f"--{boundary}--\r\n".encode()


FORM = {"Content-Type": "multipart/form-data; boundary=xx"}


def connected(port):
    """A socket to a server on this machine."""
    return socket.create_connection(("127.0.0.1", port), timeout=60)


def everything(connection):
    """What a server sends until it closes the connection."""
    received = b""
    while chunk := connection.recv(65536):
        received += chunk
    return received


@contextmanager
def started(*arguments, **environment):
    """A command that serves, the port it says it listens at, and all that it said until then."""
    process = subprocess.Popen(
        [sys.executable, "-m", "graticule", *map(str, arguments), "--port", "0", "--no-browser"],
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | environment,
    )
    try:
        said = ""
        while not (found := re.search(r"http://\S+?:(\d+)/", said)):
            line = process.stderr.readline()
            assert line, said
            said += line
        yield process, int(found[1]), said
    finally:
        process.kill()
        process.communicate()
