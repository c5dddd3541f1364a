"""Nothing goes out unless it is asked for: commands run in processes that may open no socket, or loopback alone."""

import json
import os
import platform
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from asking import started
from hooked import hooked

ROOT = Path(__file__).parents[1]
PICTURES = ROOT / "examples" / "pictures"
COMMAND = [sys.executable, "-m", "graticule"]

HOOK = '''
"""Refuses sockets, and writes down who wanted one, for a refusal could be swallowed."""
import ctypes, os, platform, sys

LOOPBACK = {"127.0.0.1", "::1", "localhost", "0.0.0.0", "", None}

PROCESSES = ("subprocess.Popen", "os.exec", "os.posix_spawn", "os.spawn", "os.system", "os.startfile", "pty.spawn")

def refuse(event, given):
    if event in PROCESSES or event == "webbrowser.open":  # what they do can't be seen from here
        note(event, given)
    if not event.startswith("socket.") or event == "socket.gethostname":  # the own name is asked of nobody
        return
    if os.environ["SOCKETS"] == "loopback":
        if event == "socket.getaddrinfo" and given[0] in LOOPBACK:
            return
        if event in ("socket.connect", "socket.bind", "socket.sendto"):
            address = given[1]
            if not isinstance(address, tuple) or address[0] in LOOPBACK:
                return
        if event not in ("socket.connect", "socket.bind", "socket.sendto") and not event.startswith("socket.get"):
            return
    elif event == "socket.__new__" and given[1] == 1:  # AF_UNIX
        return
    elif event != "socket.__new__" and not event.startswith("socket.get"):
        return
    note(event, given[1:])
    raise PermissionError(f"{event}: no network here")

def note(event, given):
    with open(os.environ["SOCKETS_LOG"], "a") as log:
        log.write(f"{event} {given!r}\\n")

def end_on_internet_sockets():
    """Have the kernel end this process, and those it starts, at a socket of IPv4 or IPv6: native code has no hooks."""
    number = {"x86_64": 41, "aarch64": 198}[platform.machine()]
    filters = [(0x20, 0, 0, 0), (0x15, 0, 4, number), (0x20, 0, 0, 16), (0x15, 1, 0, 2), (0x15, 0, 1, 10),
               (0x06, 0, 0, 0x80000000), (0x06, 0, 0, 0x7FFF0000)]
    class Filter(ctypes.Structure):
        _fields_ = [("code", ctypes.c_ushort), ("jt", ctypes.c_ubyte), ("jf", ctypes.c_ubyte), ("k", ctypes.c_uint)]
    class Program(ctypes.Structure):
        _fields_ = [("length", ctypes.c_ushort), ("filter", ctypes.POINTER(Filter))]
    program = Program(len(filters), (Filter * len(filters))(*filters))
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    if prctl(38, 1, 0, 0, 0) or prctl(22, 2, ctypes.byref(program), 0, 0):
        raise OSError(ctypes.get_errno(), "no filter")

if os.environ["SOCKETS"] == "kernel":
    end_on_internet_sockets()
sys.addaudithook(refuse)
'''
KERNEL = sys.platform == "linux" and platform.machine() in ("x86_64", "aarch64")


@pytest.fixture
def shut(tmp_path):
    """The environment of a process without sockets; gives it and the file that tells of attempts."""
    log = tmp_path / "attempts"
    log.touch()
    paths = hooked(tmp_path, HOOK, ROOT / "src")
    manner = "kernel" if KERNEL else "none"
    return {**os.environ, "PYTHONPATH": paths, "SOCKETS": manner, "SOCKETS_LOG": str(log)}, log


def run(environment, *command):
    return subprocess.run(
        [*map(str, command)], env=environment, capture_output=True, text=True, check=False, timeout=600
    )


def test_the_hook_refuses_and_tells(shut):
    environment, log = shut
    done = run(
        environment, sys.executable, "-c", "import socket; socket.create_connection(('192.0.2.1', 80))"
    )
    assert "no network here" in done.stderr
    assert log.read_text()
    loopback = {**environment, "SOCKETS": "loopback"}
    for text in ("socket.create_connection(('192.0.2.1', 80))", "socket.getaddrinfo('example.com', 80)"):
        log.write_text("")
        assert "no network here" in run(loopback, sys.executable, "-c", f"import socket; {text}").stderr
        assert log.read_text()


@pytest.mark.parametrize(
    "program",
    [
        "import socket; socket.gethostbyname('example.com')",
        "import socket; socket.getaddrinfo('example.com', 80)",
        "import socket; socket.getnameinfo(('192.0.2.1', 80), 0)",
        "import socket; socket.socket(socket.AF_INET, socket.SOCK_DGRAM)",
        "import urllib.request; urllib.request.urlopen('http://192.0.2.1')",
        "import subprocess, sys; subprocess.run([sys.executable, '--version'])",
        "import os; os.system('true')",
    ],
)
def test_the_hook_tells_of_look_ups_and_processes_too(shut, program):
    environment, log = shut
    run(environment, sys.executable, "-c", f"try:\n    {program}\nexcept OSError:\n    pass")
    assert log.read_text()


@pytest.mark.skipif(not KERNEL, reason="the filter is written for Linux on x86-64 and ARM")
def test_a_socket_of_native_code_ends_the_process(shut):
    environment, log = shut
    for family, ended in ((2, -signal.SIGSYS), (10, -signal.SIGSYS), (1, 0)):
        done = run(
            environment, sys.executable, "-c", f"import ctypes; ctypes.CDLL(None).socket({family}, 1, 0)"
        )
        assert done.returncode == ended, done.stderr
    assert log.read_text() == "", "it is seen by the kernel alone"


def test_a_tower_of_clip_opens_no_socket(shut):
    """transformers and what it stands on could look for updates, or tell of their use."""
    environment, log = shut
    program = (
        "import torch; from graticule.encoders.clip import ClipEncoder, ClipEncoderConfig as Config;"
        "sizes = Config(size=28, patch=14, hidden=16, feed_forward=32, layers=2, heads=2, width=8);"
        "print(ClipEncoder(sizes)(torch.zeros(1, 3, 28, 28, dtype=torch.uint8)).shape)"
    )
    done = run(
        {name: v for name, v in environment.items() if not name.startswith("HF_")},
        sys.executable,
        "-c",
        program,
    )
    assert "[1, 8]" in done.stdout, done.stderr
    assert log.read_text() == ""


@pytest.mark.parametrize(
    "arguments",
    [
        ("locate", PICTURES, "--model", "orbit", "--format", "jsonl"),
        ("evaluate", "--model", "orbit", "--images", PICTURES, "--truth", PICTURES.parent / "truth.csv"),
        ("models", "list"),
    ],
    ids=lambda arguments: arguments[0],
)
def test_a_command_opens_no_socket(shut, arguments):
    environment, log = shut
    done = run(environment, *COMMAND, *arguments)
    assert done.returncode == 0, done.stderr
    assert done.stdout
    assert log.read_text() == ""


def test_a_judge_that_is_asked_for_is_what_opens_one(shut):
    environment, log = shut
    judge = ("--judge", "http://127.0.0.1:9/v1", "--judge-model", "any")
    run(environment, *COMMAND, "locate", PICTURES / "view-000000.png", "--model", "orbit", *judge)
    assert "socket." in log.read_text()


def test_the_service_speaks_to_nobody_but_those_who_ask(shut):
    environment, log = shut
    with started("serve", "--model", "orbit", **{**environment, "SOCKETS": "loopback"}) as (_, port, _):
        picture = ("pictures", ("a.png", (PICTURES / "view-000000.png").read_bytes()))
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=120, trust_env=False) as client:
            answer = client.post("/v1/locate", files=[picture], data={"detail": "map", "within": "Russia"})
            assert answer.status_code == 200, answer.text
            assert "latitude" in json.loads(answer.text)["results"][0]
            for path in ("/", "/v1/models", "/v1/regions", "/metrics"):
                assert client.get(path).status_code == 200
    assert log.read_text() == ""
