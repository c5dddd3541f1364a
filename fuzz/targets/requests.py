"""Requests to the service, in process: a line `METHOD path`, one of the content type, one empty, and the body."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from functools import cache
from random import Random
from types import SimpleNamespace
from typing import Any, Final

import numpy as np
from PIL import Image

from fuzz.edits import bytes_edit, json_edit, mixed
from fuzz.target import Target
from fuzz.targets.asgi import ask
from fuzz.targets.files import folder
from fuzz.targets.results import seeds as results_seeds
from graticule.images.open import open_picture
from graticule.prediction import Candidate, Prediction
from graticule.serving.app import create_app
from graticule.serving.review import Batch
from graticule.serving.service import Service
from graticule.serving.settings import Settings

_FORM: Final = b"multipart/form-data; boundary=xx"
_SQUARE: Final = b'{"type": "Polygon", "coordinates": [[[0, 0], [9, 0], [9, 9], [0, 0]]]}'


class _StandIn:
    """Answers without a model: what is tried here is the way to it and back."""

    name = "stand-in"
    purpose = "nothing"
    model = SimpleNamespace(encoder=SimpleNamespace(size=8), thumbnails=None)

    def pixels(self, source: bytes, *, name: str, max_pixels: int) -> Any:
        image = open_picture(source, name=name, max_pixels=min(max_pixels, 1_000_000))
        return np.asarray(image.resize((8, 8))).transpose(2, 0, 1)

    def mask(self, region: Any) -> Any:
        return SimpleNamespace(region=region)

    def answer(self, pixels: Any, names: list[str], *, top_k: int = 5, mask: Any = None) -> list[Any]:
        shown = tuple(Candidate(10.0, 20.0, 0.9 / (k + 1), "1") for k in range(top_k))
        return [Prediction(name, 10.0, 20.0, 30.0, shown, self.name) for name in names]


class _Server:
    """A service, its application, and what is documented of them."""

    def __init__(self) -> None:
        results = folder("requests") / "results.jsonl"
        results.write_bytes(results_seeds()[0][1:])
        stand_in: Any = _StandIn()
        self.service = Service({"stand-in": stand_in}, Settings(gather_s=0))
        self.app = create_app(self.service, Batch(results, folder=results.parent))
        self.service.start()
        documented = json.loads(ask(self.app, "GET", "/openapi.json").body)["paths"].values()
        operations = [operation for path in documented for operation in path.values()]
        self.documented = {int(status) for one in operations for status in one["responses"]} | {404, 405}


_server = cache(_Server)


@cache
def seeds() -> list[bytes]:
    """Right requests of every route, and some that are wrong."""
    written = io.BytesIO()
    Image.new("RGB", (4, 4)).save(written, "PNG")
    picture = written.getvalue()
    fields = [
        (b"within", _SQUARE),
        (b"within", b"France"),
        (b"top_k", b"3"),
        (b"language", b"de"),
        (b"detail", b"full"),
    ]
    forms = [
        _form((b"pictures", b"a.png", picture)),
        _form((b"pictures", b"a.png", picture), (b"pictures", b"b.jpg", b"x"), (b"model", None, b"stand-in")),
        *(_form((b"pictures", b"a.png", picture), (name, None, value)) for name, value in fields),
    ]
    made = [_request(b"POST /v1/locate", _FORM, form) for form in forms]
    judged = [
        b'{"status": "confirmed"}',
        b'{"status": "moved", "latitude": 1.5, "longitude": 2.5, "note": "n"}',
    ]
    made += [_request(b"PUT /v1/review/0", b"application/json", body) for body in judged]
    reads = (
        b"/v1/models", b"/v1/models/", b"/v1/regions?language=fr", b"/v1/review", b"/v1/review/0/picture?side=64",
        b"/v1/neighbours/stand-in/0", b"/healthz", b"/metrics", b"/openapi.json", b"/", b"/assets/../../etc/passwd",
    )  # fmt: skip
    made += [_request(b"GET " + path, b"", b"") for path in reads]
    return [*made, _request(b"DELETE /v1/review/0", b"", b"")]


def one(data: bytes) -> None:
    """Ask, and hold the answer against the document; nothing of the request is held afterwards."""
    first, _, rest = data.partition(b"\n")
    kind, _, rest = rest.partition(b"\n")
    body = rest.partition(b"\n")[2]
    method, _, path = first.decode("utf-8", "replace").partition(" ")
    server = _server()
    status, headers, answer = ask(server.app, method, path, kind=kind, body=body)
    assert status in server.documented, status
    if status >= 400:
        told = json.loads(answer) if method != "HEAD" else {"error": {"type": "", "message": ""}}
        assert set(told["error"]) == {"type", "message"}
    elif headers.get(b"content-type", b"").startswith(b"application/json") and method != "HEAD":
        json.loads(answer, parse_constant=_no_number)
    assert b"content-security-policy" in headers
    assert server.service.memory.held == 0
    assert not server.service._clients
    assert server.service._queued == 0


def _no_number(name: str) -> Any:
    raise AssertionError(f"{name} is no JSON")


def _form(*parts: tuple[bytes, bytes | None, bytes]) -> bytes:
    body = b""
    for name, file, data in parts:
        named = b"" if file is None else b'; filename="%b"' % file
        body += b'--xx\r\nContent-Disposition: form-data; name="%b"%b\r\n\r\n%b\r\n' % (name, named, data)
    return body + b"--xx--\r\n"


def _request(line: bytes, kind: bytes, body: bytes) -> bytes:
    return b"\n".join((line, kind, b"", body))


def edit(data: bytes, chance: Random, seeds: Sequence[bytes]) -> bytes:
    """Break the body rather than the line; JSON as such."""
    head, gap, body = data.partition(b"\n\n")
    if not gap or chance.randrange(4) == 0:
        return bytes_edit(data, chance, seeds)
    own = [seed.partition(b"\n\n")[2] or b"\n" for seed in seeds]
    return head + gap + mixed(json_edit, bytes_edit)(body, chance, own)


TARGET = Target(
    name="requests",
    door="serving.app.create_app, as an ASGI application",
    promise="a documented status, never 500; errors in their one shape; nothing held afterwards",
    seeds=seeds,
    one=one,
    edit=edit,
)
