"""Requests to a server, for tests."""

import io
import socket
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
