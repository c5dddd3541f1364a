"""The commands as processes: what they say, how they end, and what they leave."""

import http.client
import json
import signal
import socket
import subprocess
import sys
import time

import httpx
import pytest

from asking import FORM, VIEWS, connected, everything, form, started

COMMAND = [sys.executable, "-m", "graticule"]


def failed(*arguments):
    done = subprocess.run(
        [*COMMAND, *map(str, arguments), "--no-browser"],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert "Traceback" not in done.stderr
    return done.returncode, done.stderr


def closed(port):
    """Returns once a server takes no more connections."""
    while True:
        try:
            connected(port).close()
        except ConnectionError:
            return


@pytest.mark.parametrize("told", [signal.SIGTERM, signal.SIGINT])
def test_told_to_stop_it_answers_what_it_has_begun_and_ends_well(told):
    body = form(("pictures", VIEWS[0].name, VIEWS[0].read_bytes()))
    with started("serve", "--model", "orbit") as (process, port, _), connected(port) as connection:
        head = "".join(f"{name}: {value}\r\n" for name, value in FORM.items())
        connection.sendall(
            f"POST /v1/locate HTTP/1.1\r\nHost: localhost\r\n{head}Content-Length: {len(body)}\r\n\r\n".encode()
        )
        connection.sendall(body[:1000])
        while "graticule_requests_in_progress 1.0" not in httpx.get(f"http://127.0.0.1:{port}/metrics").text:
            time.sleep(0.02)  # each look is a line of the log, and nobody reads that
        process.send_signal(told)
        closed(port)
        connection.sendall(body[1000:])
        answer = http.client.HTTPResponse(connection)
        answer.begin()
        assert answer.status == 200
        assert "latitude" in json.loads(answer.read())["results"][0]
        assert everything(connection) == b""
        assert process.wait(60) == 0


def test_a_review_that_is_killed_keeps_every_decision(tmp_path):
    results = tmp_path / "results.jsonl"
    place = {"latitude": 1.0, "longitude": 2.0, "radius_km": 3.0, "candidates": [], "model": "orbit"}
    results.write_text("".join(json.dumps({"path": f"{n}.jpg"} | place) + "\n" for n in range(20)))
    with started("review", results) as (process, port, _), httpx.Client(timeout=60) as client:
        for number in range(7):
            answer = client.put(
                f"http://127.0.0.1:{port}/v1/review/{number}",
                json={"status": "confirmed", "note": str(number)},
            )
            assert answer.status_code == 200
        process.kill()
        process.wait(60)
    out = tmp_path / "reviewed.jsonl"
    done = subprocess.run(
        [*COMMAND, "review", results, "--export", out], capture_output=True, text=True, check=True
    )
    assert "7 of 20 results reviewed" in done.stderr
    lines = [json.loads(line) for line in out.read_text().splitlines()]
    assert [line["review"]["note"] for line in lines if "review" in line] == list("0123456")


def test_another_address_than_loopback_is_warned_of(tmp_path):
    results = tmp_path / "results.jsonl"
    results.write_text("")
    with started("review", results, "--host", "0.0.0.0") as (_, _, said):
        assert "warning: whoever can reach 0.0.0.0 can use this server" in said
        assert "--api-key-env" in said
    with started("review", results) as (_, port, said):
        assert "warning" not in said
        with socket.socket() as elsewhere, pytest.raises(OSError, match="refused"):
            elsewhere.connect(("127.0.0.2", port))


def test_the_key_comes_from_the_environment(tmp_path):
    results = tmp_path / "results.jsonl"
    results.write_text("")
    with started("review", results, "--api-key-env", "A_KEY", A_KEY="s3cret") as (_, port, said):
        assert "s3cret" not in said
        url = f"http://127.0.0.1:{port}/v1/review"
        assert httpx.get(url).status_code == 401
        assert httpx.get(url, headers={"Authorization": "Bearer s3cret"}).status_code == 200


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["serve", "--api-key-env", "NO_SUCH_VARIABLE"], "NO_SUCH_VARIABLE is not set"),
        (["serve", "--model", "no-such-model", "--port", "0"], "no model has that name"),
        (["review", "no-such.jsonl"], "no-such.jsonl: can't be read"),
        (["serve", "--host", "192.0.2.1"], "can't listen there"),
    ],
)
def test_what_can_not_be_served_is_said_in_a_line(arguments, words):
    status, said = failed(*arguments)
    assert status == 2
    assert words in said


def test_a_port_that_is_taken_is_named():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        status, said = failed("serve", "--model", "orbit", "--port", port)
    assert status == 2
    assert f"port {port}: can't listen there" in said
    assert "--port 0" in said
