"""What is uploaded touches no disk, stands in no log, and is gone with its request, however that ends."""

import gc
import io
import os
import re
import subprocess
import sys
import time

import httpx
import pytest
from PIL import Image

from asking import FORM, VIEWS, connected, everything, form, png, started
from graticule.serving.batching import Job
from graticule.serving.uploads import Form, Upload
from hooked import hooked
from serving.conftest import StandIn, running

SECRET = "grandmother-at-the-lake"
HOOK = '''
"""Writes down what this process makes or changes on disk, and lets every logger speak."""
import logging, os, sys

logging.root.setLevel(1)
CHANGES = {"os.mkdir", "os.rename", "os.link", "os.symlink", "os.truncate", "shutil.copyfile", "shutil.move",
           "tempfile.mkstemp", "tempfile.mkdtemp", "sqlite3.connect", "subprocess.Popen", "os.exec", "os.fork",
           "mmap.__new__"}
WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_TRUNC
log = os.open(os.environ["WRITES_LOG"], os.O_WRONLY | os.O_APPEND)

def note(event, given):
    if event == "open":
        path, mode, flags = given
        if isinstance(path, int) or path in ("/dev/null", b"/dev/null"):
            return
        if not (flags or 0) & WRITES and not set(mode or "") & set("wax+"):
            return
    elif event not in CHANGES:
        return
    os.write(log, f"{event} {given!r}\\n".encode())

sys.addaudithook(note)
'''


def large_picture():
    """More bytes than libraries keep in memory before they spool."""
    written = io.BytesIO()
    Image.frombytes("RGB", (900, 900), os.urandom(3 * 900 * 900)).save(written, "PNG")
    return written.getvalue()


@pytest.fixture
def watched(tmp_path):
    """A served model whose process writes down what it writes; gives its port, that file, and its stop."""
    log = tmp_path / "writes"
    log.touch()
    environment = {
        "PYTHONPATH": hooked(tmp_path, HOOK, os.environ.get("PYTHONPATH") or ""),
        "WRITES_LOG": str(log),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    with started("serve", "--model", "orbit", "--max-megabytes", "4", **environment) as (process, port, said):

        def stopped():
            process.terminate()
            return said + process.communicate(timeout=120)[1]

        yield port, log, stopped


def asked(port, body, path="v1/locate"):
    url = f"http://127.0.0.1:{port}/{path}"
    return httpx.post(url, content=body, headers=FORM, timeout=120).status_code


def cut_off(port, body):
    """A request whose client leaves in the middle of a picture."""
    head = f"POST /v1/locate HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n"
    with connected(port) as client:
        client.sendall(
            f"{head}Content-Type: {FORM['Content-Type']}\r\n\r\n".encode() + body[: len(body) // 2]
        )


def test_no_request_writes_a_file_or_a_name_into_the_log(watched):
    port, log, stopped = watched
    name, picture = f"{SECRET}.png", large_picture()
    place = ("within", None, b"Chile")
    assert asked(port, form(("pictures", name, VIEWS[0].read_bytes()))) == 200
    started = log.read_text()
    good = form(("pictures", name, picture), place, ("detail", None, b"map"))
    assert len(picture) > 2 << 20
    assert asked(port, good) == 200
    assert asked(port, form(("pictures", name, b"no picture"), place)) == 200
    assert asked(port, form(("pictures", name, picture), ("pictures", name, picture))) == 413
    assert asked(port, form(("pictures", name, png()), ("within", None, SECRET.encode()))) == 422
    assert asked(port, form(("pictures", name, png()), ("model", None, f"../{SECRET}".encode()))) == 404
    assert asked(port, good[:-30]) == 400
    assert asked(port, good, f"v1/{SECRET}?where={SECRET}") == 404
    assert httpx.get(f"http://127.0.0.1:{port}/v1/regions?language={SECRET}", timeout=60).status_code >= 200
    cut_off(port, good)
    with connected(port) as client:
        client.sendall(f"GET /{SECRET} HTTP/9.9\r\n{SECRET}\r\n\r\n".encode())
        assert everything(client).startswith(b"HTTP/1.1 400")
    said = stopped()
    assert log.read_text() == started, "something was written after the first answer"
    assert SECRET not in started
    lines = said.splitlines()
    assert sum("POST /v1/locate 200 " in line for line in lines) == 3
    assert not [line for line in lines if SECRET in line or "Chile" in line]
    assert not [line for line in lines if re.search(r"-?\d+\.\d{2,}|latitude", line.partition(" ms")[0])]


def test_the_hook_sees_writing(tmp_path):
    """Else the test above could not fail."""
    (tmp_path / "sitecustomize.py").write_text(HOOK)
    log = tmp_path / "writes"
    log.touch()
    program = "import tempfile; tempfile.TemporaryFile().write(b'x'); open('a', 'w')"
    environment = os.environ | {"PYTHONPATH": str(tmp_path), "WRITES_LOG": str(log)}
    subprocess.run([sys.executable, "-c", program], env=environment, cwd=tmp_path, check=True)
    assert len(log.read_text().splitlines()) >= 2


def kept():
    """What of requests is still held by anybody."""
    gc.collect()
    return [thing for thing in gc.get_objects() if type(thing) in (Upload, Form, Job)]


def all_gone(service):
    """Whether nothing of any request is left, soon."""
    until = time.monotonic() + 30
    while service.memory.held or kept():
        if time.monotonic() > until:
            return False
        time.sleep(0.02)
    return True


def test_nothing_of_a_request_outlives_it():
    picture = png(8)
    good = form(("pictures", f"{SECRET}.png", picture))
    with running({"stand-in": StandIn()}, limits={"request_bytes": 20_000, "idle_s": 1}) as server:
        with httpx.Client(base_url=server.url, timeout=60) as client:
            assert client.post("v1/locate", content=good, headers=FORM).status_code == 200
            assert all_gone(server.service), "answered, its connection still open"
        assert asked(server.port, form(("pictures", "a.png", b"none"))) == 200
        assert all_gone(server.service), "refused by name"
        assert asked(server.port, form(("pictures", "a.png", bytes(30_000)))) == 413
        assert all_gone(server.service), "too large"
        assert asked(server.port, good[:-20]) == 400
        assert all_gone(server.service), "cut short"
        cut_off(server.port, good)
        assert all_gone(server.service), "left by its client"
        head = f"POST /v1/locate HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(good)}\r\n"
        with connected(server.port) as client:
            client.sendall(f"{head}Content-Type: {FORM['Content-Type']}\r\n\r\n".encode() + good[:-5])
            assert everything(client).startswith(b"HTTP/1.1 408")
        assert all_gone(server.service), "too slow"
        assert asked(server.port, form(("pictures", "fault.png", picture))) == 422
        assert all_gone(server.service), "failed in the model"


def test_nothing_of_a_request_outlives_its_time(stand_in):
    stand_in.gate.clear()
    with running({"stand-in": stand_in}, limits={"answer_s": 0.2}) as server:
        assert asked(server.port, form(("pictures", "a.png", png()))) == 503
        stand_in.gate.set()
        assert all_gone(server.service)
