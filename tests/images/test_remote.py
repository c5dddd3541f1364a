"""Fetching pictures from servers on loopback, which tests/internet.py gives public names and addresses.

What must never be fetched is in tests/faults/test_20_addresses.py.
"""

import io
import shutil
import socket
import ssl
import subprocess
import threading
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from PIL import Image

from graticule.errors import PictureError
from graticule.images import remote
from graticule.images.address import Address
from graticule.images.batches import read_batches, walk
from graticule.images.remote import fetch
from internet import PUBLIC, PUBLIC_6, internet, moved, page, silent

FOUND = (socket.AF_INET, socket.SOCK_STREAM, 6, "", (PUBLIC, 80))
"""What `socket.getaddrinfo` says of a public host."""


@pytest.fixture
def net(monkeypatch):
    with internet(monkeypatch, {}) as net:
        yield net


def refusal(url):
    with pytest.raises(PictureError) as refused:
        fetch(Address(url))
    assert str(refused.value).startswith(f"{Address(url)}: ")
    return str(refused.value)


def test_the_bytes_of_a_page(net):
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;name=x\r\nde\r\n0\r\n\r\n"
    net.site.pages |= {
        "/": page(200, b"root"),
        "/a%20b?c=d": page(200, b"length"),
        "/chunked": chunked,
        "/until-closed": b"HTTP/1.0 200 OK\r\n\r\nabc",
        "/identity": page(200, b"same", "Content-Encoding: identity"),
    }
    net.names["six.example"] = [[PUBLIC_6]]
    for url, body in {
        "http://site.example": b"root",
        "http://site.example/a b?c=d#e": b"length",
        "http://SITE.example:8080/chunked": b"abcde",
        "http://six.example/until-closed": b"abc",
        f"http://{PUBLIC}/identity": b"same",
        f"http://[{PUBLIC_6}]:81/identity": b"same",
    }.items():
        assert fetch(Address(url)) == body


def test_a_request_tells_nothing_but_what_is_wanted(net, monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    net.site.pages |= {"/a?b=c": moved("/d?e=f"), "/d?e=f": page(200, b"x", "Set-Cookie: a=b")}
    net.site.pages["/a?b=c"] = moved("/d?e=f").replace(b"\r\n\r\n", b"\r\nSet-Cookie: a=b\r\n\r\n")
    fetch(Address("http://site.example:81/a?b=c"))
    head = "Host: site.example:81\nUser-Agent: Graticule\nAccept: */*\nAccept-Encoding: identity\nConnection: close\n\n"
    assert net.site.heads == [f"GET {target} HTTP/1.1\n{head}" for target in ("/a?b=c", "/d?e=f")]


def test_redirects_are_followed_wherever_they_may_lead(net):
    net.names["other.example"] = [[PUBLIC_6]]
    net.site.pages |= {
        "/a/b": moved("../c", 301),
        "/c": moved("//other.example/d", 303),
        "/d": moved("http://site.example:8080/\u00e9", 307),
        "/%C3%A9": moved("?e", 308),
        "/%C3%A9?e": page(200, b"there"),
    }
    for url in ("http://site.example/d", "http://site.example/a/b"):
        net.dialled.clear()
        assert fetch(Address(url)) == b"there"
    assert net.dialled == [PUBLIC, PUBLIC, PUBLIC_6, PUBLIC, PUBLIC]


def test_a_redirect_that_leads_nowhere_is_an_answer_like_others(net):
    net.site.pages["/"] = page(302, b"")
    assert "302 Found" in refusal("http://site.example/")


def test_the_next_address_is_tried_where_one_does_not_answer(net, monkeypatch):
    dial = remote._dial

    def half_dead(family, kind, protocol, place, seconds):
        if family == socket.AF_INET6:
            raise OSError(101, "Network is unreachable")
        return dial(family, kind, protocol, place, seconds)

    monkeypatch.setattr(remote, "_dial", half_dead)
    net.site.pages["/"] = page(200, b"root")
    net.names["site.example"] = [[PUBLIC_6, PUBLIC]]
    assert fetch(Address("http://site.example/")) == b"root"
    net.names["site.example"] = [[PUBLIC_6]]
    assert "Network is unreachable" in refusal("http://site.example/")


def test_a_name_that_is_not_known(net):
    assert "its host can't be found" in refusal("http://nobody.example/")
    net.names["empty.example"] = [[]]
    assert "can't be reached" in refusal("http://empty.example/")


def test_a_look_up_that_hangs_is_not_waited_for(monkeypatch):
    released = threading.Event()
    monkeypatch.setattr(remote, "TIMEOUT_S", 0.05)
    monkeypatch.setattr(remote, "_look_up", lambda host, port: released.wait() and [])
    try:
        assert "too slow" in refusal("http://site.example/")
    finally:
        released.set()


def test_the_time_is_that_of_all_redirects_together(net, monkeypatch):
    clock = iter(range(10_000))
    monkeypatch.setattr(remote, "monotonic", lambda: 10.0 * next(clock))
    net.site.pages |= {"/0": moved("/1"), "/1": moved("/2"), "/2": page(200, b"there")}
    monkeypatch.setattr(remote, "TIMEOUT_S", 1000.0)
    assert fetch(Address("http://site.example/0")) == b"there"
    monkeypatch.setattr(remote, "TIMEOUT_S", 10.0 * next(clock) / 2)
    net.site.asked.clear()
    assert "too slow" in refusal("http://site.example/0")
    assert 0 < len(net.site.asked) < 3


def test_the_bytes_are_those_of_all_redirects_together(net, monkeypatch):
    net.site.pages |= {"/0": moved("/1", 302) + bytes(1), "/1": page(200, bytes(900))}
    net.site.pages["/0"] = moved("/1").replace(b"\r\n\r\n", b"\r\nA: " + b"a" * 500 + b"\r\n\r\n")
    monkeypatch.setattr(remote, "MAX_BYTES", 1200)
    assert fetch(Address("http://site.example/1")) == bytes(900)
    assert "MiB arrive" in refusal("http://site.example/0")


def test_the_real_connection_goes_to_the_address_it_is_given():
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(30)
        place = server.getsockname()
        with remote._dial(socket.AF_INET, socket.SOCK_STREAM, 0, place, 30) as connection:
            accepted, peer = server.accept()
            with accepted:
                assert peer == connection.getsockname()
    with pytest.raises(ConnectionRefusedError):
        remote._dial(socket.AF_INET, socket.SOCK_STREAM, 0, place, 30)
    assert remote._look_up("127.0.0.1", 80)[0][-1] == ("127.0.0.1", 80)


HTTP = [
    *(
        b"HTTP/1.1 200 OK\r\n",
        b"HTTP/1.1 302\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n",
        b"\r\n",
        b":",
        b"\0",
        b"\xff",
    ),
    *(b"Content-Length: ", b"-1", b"5, 5", b"1e3", b"0", b"ffffffffffffffffffff", b"-5\r\n", b"\r\n\r\nabc"),
    *(
        b"Transfer-Encoding: chunked\r\n\r\n",
        b"Location: ",
        b"http://[",
        b"//",
        b"Content-Encoding: ",
        b"a" * 70_000,
    ),
]


@given(st.lists(st.sampled_from(HTTP) | st.binary(max_size=20), max_size=12).map(b"".join))
@example(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\nabc")
@example(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\nabc")
@example(b"HTTP/1.1 302 OK\r\nLocation: http://[\r\n\r\n")
def test_whatever_a_server_says_is_bytes_or_a_refusal(said):
    def dial(*_):
        ours, theirs = socket.socketpair()
        theirs.settimeout(30)
        threading.Thread(target=say, args=(theirs,), daemon=True).start()
        return ours

    def say(theirs):
        with theirs:
            try:
                theirs.sendall(said)
                theirs.shutdown(socket.SHUT_WR)
                while theirs.recv(1000):
                    pass
            except OSError:
                pass

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(remote, "_look_up", lambda host, port: [FOUND])
        patch.setattr(remote, "_dial", dial)
        try:
            told = fetch(Address("http://site.example/"))
        except PictureError as refused:
            told = str(refused)
    assert isinstance(told, bytes) or told.isprintable()
    assert isinstance(told, bytes) or told.startswith("http://site.example/: ")


# Encrypted.


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """A certificate of site.example, with its key, and the file it lies in."""
    if shutil.which("openssl") is None:
        pytest.skip("wants openssl, to make a certificate")
    folder = tmp_path_factory.mktemp("tls")
    words = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=site.example"]
    words += ["-keyout", "key.pem", "-out", "site.pem", "-addext", "subjectAltName=DNS:site.example"]
    subprocess.run(["openssl", *words], cwd=folder, check=True, capture_output=True, timeout=120)
    return folder / "site.pem", folder / "key.pem"


@pytest.fixture
def encrypted(net, certificate):
    """The internet, whose site speaks TLS."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    named = []
    context.sni_callback = lambda _, name, __: named.append(name)
    net.site.socket = context.wrap_socket(net.site.socket, server_side=True)
    net.named = named
    return net


@pytest.fixture
def trusted(monkeypatch, certificate):
    """The certificate is one that the system trusts."""
    context = ssl.create_default_context(cafile=certificate[0])
    monkeypatch.setattr(remote, "_tls", lambda: context)


@pytest.mark.usefixtures("trusted")
def test_a_name_is_proved_and_told(encrypted):
    encrypted.names["other.example"] = [[PUBLIC]]
    encrypted.site.pages |= {"/": page(200, b"private"), "/other": moved("https://other.example/")}
    assert fetch(Address("https://site.example/")) == b"private"
    assert encrypted.named == ["site.example"]
    for url in ("https://other.example/", f"https://{PUBLIC}/", "https://site.example/other"):
        assert "does not prove to be the one named" in refusal(url)


def test_who_vouches_for_itself_is_not_believed(encrypted):
    assert "does not prove to be the one named (self-signed certificate)" in refusal("https://site.example/")


@pytest.mark.usefixtures("trusted")
def test_a_handshake_that_hangs_is_cut_off(monkeypatch):
    monkeypatch.setattr(remote, "TIMEOUT_S", 0.2)
    ours, theirs = socket.socketpair()
    monkeypatch.setattr(remote, "_look_up", lambda host, port: [FOUND])
    monkeypatch.setattr(remote, "_dial", lambda *_: ours)
    with theirs:
        assert "too slow" in refusal("https://site.example/")


def test_a_server_without_encryption_is_not_asked_in_the_clear(net):
    assert "can't be reached" in refusal("https://site.example/")
    assert not net.site.asked


# Among files.


def test_pictures_are_read_from_files_and_addresses_in_order(net, tmp_path):
    stream = io.BytesIO()
    Image.new("RGB", (8, 8), (7, 0, 0)).save(stream, "PNG")
    (tmp_path / "a.png").write_bytes(stream.getvalue())
    net.site.pages |= {"/a.png": page(200, stream.getvalue()), "/silent": silent}
    given = [
        Address("http://site.example/a.png"),
        tmp_path,
        Address("http://site.example/gone"),
        "http://site.example/",
    ]
    paths = walk(given)
    assert paths == [given[0], tmp_path / "a.png", given[2], Path(given[3])]
    assert walk(given[0]) == [given[0]]
    [batch] = read_batches(paths, 8)
    assert [picture for picture, _ in batch] == paths
    assert all((pixels[0] == 7).all() for _, pixels in batch[:2] if isinstance(pixels, np.ndarray))
    assert [isinstance(pixels, PictureError) for _, pixels in batch] == [False, False, True, True]
    assert sorted(net.site.asked) == ["/a.png", "/gone"]
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]
