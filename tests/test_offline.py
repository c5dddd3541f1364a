"""Nothing goes out unless it is asked for: commands run in processes that may open no socket, or loopback alone."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

ROOT = Path(__file__).parents[1]
PICTURES = ROOT / "examples" / "pictures"
COMMAND = [sys.executable, "-m", "graticule"]

HOOK = '''
"""Refuses sockets, and writes down who wanted one, for a refusal could be swallowed."""
import os, sys

LOOPBACK = {"127.0.0.1", "::1", "localhost", "0.0.0.0", "", None}

def refuse(event, given):
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
    with open(os.environ["SOCKETS_LOG"], "a") as log:
        log.write(f"{event} {given[1:]!r}\\n")
    raise PermissionError(f"{event}: no network here")

sys.addaudithook(refuse)
'''


@pytest.fixture
def shut(tmp_path):
    """The environment of a process without sockets; gives it and the file that tells of attempts."""
    (tmp_path / "hook").mkdir()
    (tmp_path / "hook" / "sitecustomize.py").write_text(HOOK)
    log = tmp_path / "attempts"
    log.touch()
    paths = os.pathsep.join([str(tmp_path / "hook"), str(ROOT / "src")])
    environment = {**os.environ, "PYTHONPATH": paths, "SOCKETS": "none", "SOCKETS_LOG": str(log)}
    return environment, log


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
    process = subprocess.Popen(
        [*COMMAND, "serve", "--model", "orbit", "--port", "0", "--no-browser"],
        env={**environment, "SOCKETS": "loopback"},
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        said = ""
        while not (found := re.search(r"(http://\S+?:\d+)/", said)):
            line = process.stderr.readline()
            assert line, said
            said += line
        picture = ("pictures", ("a.png", (PICTURES / "view-000000.png").read_bytes()))
        with httpx.Client(base_url=found[1], timeout=120, trust_env=False) as client:
            answer = client.post("/v1/locate", files=[picture], data={"detail": "map", "within": "Russia"})
            assert answer.status_code == 200, answer.text
            assert "latitude" in json.loads(answer.text)["results"][0]
            for path in ("/", "/v1/models", "/v1/regions", "/metrics"):
                assert client.get(path).status_code == 200
    finally:
        process.kill()
        _, said = process.communicate()
    assert log.read_text() == "", said
