"""Addresses that lead where they must not, servers that answer what they must not, and what is to become of both."""

import gzip
import socket
from pathlib import Path

import httpx

from asking import FORM, form
from faults.answers import refused_alone
from graticule.images import remote
from graticule.images.address import Address
from graticule.prediction import Prediction, Refusal
from internet import ENDLESS, PUBLIC, PUBLIC_6, dripping, forever, internet, moved, page, serving, silent
from serving.conftest import StandIn, running

ADDRESSES = [
    "http://127.0.0.1:{port}/a.png",
    "HTTP://127.0.0.1:{port}/a.png",
    "http://localhost:{port}/a.png",
    "http://2130706433:{port}/a.png",
    "http://0x7f.1:{port}/a.png",
    "http://[::ffff:127.0.0.1]:{port}/a.png",
    "http://someone:secret@127.0.0.1:{port}/a.png",
    "http://169.254.169.254/latest/meta-data/",
    "http://10.0.0.1/a.png",
    "http://[64:ff9b::7f00:1]/a.png",
    "http://rebinding.example/a.png",
    "https://example.org/a.png",
    "ftp://127.0.0.1:{port}/a.png",
    "file:///etc/passwd",
    "file://localhost{here}",
]
"""What is refused where nobody allows addresses."""

INSIDE = [
    *("0.0.0.0", "10.0.0.1", "100.64.0.1", "127.0.0.1", "127.8.9.10", "169.254.169.254", "172.16.0.1"),
    *("172.31.255.255", "192.0.0.8", "192.0.2.1", "192.88.99.1", "192.168.1.1", "198.18.0.1", "198.51.100.1"),
    *("203.0.113.1", "224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255"),
    *("::", "::1", "fe80::1", "fec0::1", "fc00::1", "fd00:ec2::254", "ff02::1", "100::1", "2001:db8::1"),
    *("::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254", "::127.0.0.1", "::ffff:0:7f00:1"),
    *("64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::a00:1"),  # translated IPv4
    *("2002:7f00:1::1", "2002:a9fe:a9fe::1", "2001:0:4136:e378:8000:63bf:807f:fffe", "3fff::1"),  # tunnels
]
"""IP addresses that nobody may reach."""

WRITTEN = [
    *("2130706433", "0x7f000001", "0x7f.1", "0177.0.0.1", "127.1", "0", "2852039166", "0xa9fea9fe"),
    *(
        "localhost",
        "LOCALHOST",
        "\uff11\uff12\uff17.\uff10.0.1",
        "\u24c1ocalhost",
        "127\u30020\u30020\u30021",
    ),
    *("[::ffff:7f00:1]", "[0:0:0:0:0:ffff:127.0.0.1]", "[0000::0001]"),
]
"""The same in other writing, as hosts."""

ELSEWHERE = [
    *("file:///etc/passwd", "ftp://site.example/a.png", "gopher://127.0.0.1:70/_", "data:image/png,", "//["),
    *("javascript:1", "http://someone:secret@site.example/a.png", "http://site.example:0/"),
    "http://site.example:99999/" + "a" * 5000,
]
"""What no redirect may lead to, whoever is there."""


def host(ip):
    return f"[{ip}]" if ":" in ip else ip


def refusals(model, urls, good):
    """Why each address is refused, once it is seen that a picture among them is answered."""
    results = list(model.locate([*map(Address, urls), good]))
    assert isinstance(results.pop(), Prediction)
    assert [result.path for result in results] == [str(Address(url)) for url in urls]
    messages = [str(result.error) for result in results if isinstance(result, Refusal)]
    assert len(messages) == len(urls), [result.path for result in results if isinstance(result, Prediction)]
    for url, message in zip(urls, messages, strict=True):
        assert message.startswith(f"{Address(url)}: ")
        assert "secret" not in message
    return messages


# Off, as it is by default.


def check_off(model, picture, capsys, monkeypatch):
    """Each address is refused by name, and no name is looked up or connected to. Gives how many were tried."""
    looked_up, resolve = [], socket.getaddrinfo

    def here(host, *asked, **options):
        """A resolver for which all names mean this machine."""
        looked_up.append(host)
        return resolve("127.0.0.1", *asked, **options)

    monkeypatch.setattr(socket, "getaddrinfo", here)
    with serving(otherwise=page(200, picture.read_bytes())) as server:
        given = [address.format(port=server.server_port, here=picture) for address in ADDRESSES]
        bad = [Path(address) for address in given]
        messages = refused_alone(capsys, model, bad, picture)
        assert not server.asked
    assert not looked_up
    for path, message in zip(bad, messages, strict=True):
        assert message.startswith(f"{path}: ")
        assert "--allow-urls" in message
    return len(given)


def check_service(picture):
    """A form that names an address in the place of a file is refused, and nothing is fetched."""
    with (
        serving(otherwise=page(200, picture.read_bytes())) as server,
        running({"stand-in": StandIn()}) as service,
    ):
        address = f"http://127.0.0.1:{server.server_port}/a.png".encode()
        for part in (("pictures", None, address), ("url", None, address)):
            answer = httpx.post(f"{service.url}v1/locate", content=form(part), headers=FORM, timeout=60)
            assert answer.status_code == 422, answer.text
        assert not server.asked
    return 2


def check_inside(model, picture, monkeypatch):
    """No IP address that is not public is connected to, whichever way an address leads there."""
    pages = {f"/{number}": moved(f"http://{host(ip)}/a.png") for number, ip in enumerate(INSIDE)}
    with internet(monkeypatch, pages, page(200, picture.read_bytes())) as net:
        for number, ip in enumerate(INSIDE):
            net.names[f"alone{number}.example"] = [[ip]]
            net.names[f"first{number}.example"] = [[ip, PUBLIC]]
            net.names[f"last{number}.example"] = [[PUBLIC, PUBLIC_6, ip]]
        urls = [f"http://{host(ip)}/a.png" for ip in INSIDE]
        urls += [f"https://{name}/a.png" for name in net.names if name not in ("site.example", "localhost")]
        urls += [f"http://{written}/a.png" for written in WRITTEN]
        direct = len(urls)
        urls += [f"http://site.example/{number}" for number in range(len(INSIDE))]
        messages = refusals(model, urls, picture)
        assert set(net.dialled) == {PUBLIC}
        assert len(net.dialled) == len(INSIDE), "only for the redirects"
        assert not net.inside.asked
    for message in messages:
        assert "which is no public address" in message
    assert all("redirects to http://" in message for message in messages[direct:])
    return len(urls)


def check_rebinding(model, picture, monkeypatch):
    """A name that means another machine when it is asked for once more: it is not asked for."""
    whole = page(200, picture.read_bytes())
    with internet(monkeypatch, {"/a.png": whole}, whole) as net:
        net.names["rebinding.example"] = [[PUBLIC], ["127.0.0.1"]]
        [result] = model.locate(Address("http://rebinding.example/a.png"))
        assert isinstance(result, Prediction)
        assert net.looked_up == ["rebinding.example"]
        assert net.dialled == [PUBLIC]
        assert not net.inside.asked
        net.names["rebinding.example"] = [[PUBLIC], ["127.0.0.1"]]
        net.site.pages["/hop"] = moved("/a.png")
        [refused] = model.locate(Address("http://rebinding.example/hop"))
        assert "leads to 127.0.0.1, which is no public address" in str(refused.error)
        assert not net.inside.asked
    return 2


class Plain:
    """What encrypts nothing."""

    def wrap_socket(self, connection, **_):
        return connection


def check_redirects(model, picture, monkeypatch):
    """Few are followed, to http and https alone, and never from https to http."""
    monkeypatch.setattr(remote, "_tls", Plain)
    pages = {f"/{number}": moved(url) for number, url in enumerate(ELSEWHERE)}
    pages |= {"/loop": moved("/loop"), "/ping": moved("/pong", 307), "/pong": moved("/ping", 308)}
    pages |= {f"/long{number}": moved(f"/long{number + 1}", 301) for number in range(8)}
    pages |= {"/long8": page(200, picture.read_bytes()), "/down": moved("http://site.example/long8", 303)}
    loops = [f"http://site.example/{name}" for name in ("loop", "ping", "long0")]
    with internet(monkeypatch, pages) as net:
        messages = refusals(model, loops, picture)
        assert len(net.site.asked) == len(loops) * 6
        assert all("redirects more than 5 times" in message for message in messages)
        [down] = refusals(model, ["https://site.example/down"], picture)
        assert "from https to http" in down
        others = [f"http://site.example/{number}" for number in range(len(ELSEWHERE))]
        net.site.asked.clear()
        messages = refusals(model, others, picture)
        assert sorted(net.site.asked) == sorted(f"/{number}" for number in range(len(ELSEWHERE)))
        assert all("redirects to" in message for message in messages)
        [answered] = model.locate(Address("http://site.example/long3"))
        assert isinstance(answered, Prediction)
    return len(loops) + 1 + len(others)


def check_much(model, picture, small_png, monkeypatch, most=ENDLESS):
    """Answers beyond the limit are cut off while they arrive."""
    monkeypatch.setattr(remote, "MAX_BYTES", min(remote.MAX_BYTES, 300_000))
    start = b"HTTP/1.1 200 Fine\r\n"
    chunk = b"2710\r\n" + bytes(10_000) + b"\r\n"
    first = b"%x\r\n" % len(small_png) + small_png + b"\r\n"
    pages = {
        "/body": forever(start + b"\r\n" + small_png, bytes(10_000), most),
        "/chunks": forever(start + b"Transfer-Encoding: chunked\r\n\r\n" + first, chunk, most),
        "/trailer": forever(
            start + b"Transfer-Encoding: chunked\r\n\r\n" + first + b"0\r\n", b"A: a\r\n" * 2000, most
        ),
        "/continue": forever(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 400, most),
        "/declared": page(200, small_png, length=1 << 50),
    }
    with internet(monkeypatch, pages):
        messages = refusals(model, [f"http://site.example{path}" for path in pages], picture)
    assert all("MiB arrive" in message for message in messages), messages
    return len(pages)


def check_slow(model, picture, small_png, monkeypatch, limit_s=0.3):
    """A server that drips bytes, or says nothing, is cut off when its time is over."""
    monkeypatch.setattr(remote, "TIMEOUT_S", limit_s)
    answer = page(200, small_png)
    chunked = b"HTTP/1.1 200 Fine\r\nTransfer-Encoding: chunked\r\n\r\n" + b"".join(
        b"1\r\n%c\r\n" % byte for byte in small_png
    )
    pages = {
        "/head": dripping(answer),
        "/body": dripping(answer, after=len(answer) - len(small_png)),
        "/chunks": dripping(chunked + b"0\r\n\r\n", after=50),
    }
    if limit_s < 1:
        pages["/nothing"] = silent
    with internet(monkeypatch, pages):
        messages = refusals(model, [f"http://site.example{path}" for path in pages], picture)
    assert all("too slow" in message for message in messages), messages
    return len(pages)


def check_lies(model, picture, small_png, monkeypatch):
    """Lengths that are not so, and what would unfold into much more than arrives."""
    bomb = gzip.compress(bytes(50_000_000))
    chunked = b"%x\r\n" % len(bomb) + bomb + b"\r\n0\r\n\r\n"
    whole = picture.read_bytes()
    pages = {
        "/longer": page(200, small_png, length=len(small_png) + 1),
        "/broken-off": b"HTTP/1.1 200 Fine\r\nTransfer-Encoding: chunked\r\n\r\nfff\r\n" + small_png,
        "/shorter": page(200, whole, length=len(whole) // 2),
        "/gzip": page(200, bomb, "Content-Encoding: gzip"),
        "/transfer": b"HTTP/1.1 200 Fine\r\nTransfer-Encoding: gzip, chunked\r\n\r\n" + chunked,
        "/said-by-nobody": page(200, bomb),
        "/nothing": page(200, b""),
        "/page": page(200, b"<html>Sign in</html>"),
        "/gone": page(404, small_png),
        "/part": page(206, small_png),
        "/no-http": b"220 smtp.example ESMTP\r\n",
        "/closed": b"",
    }
    words = ["broke off", "broke off", "cut short", "packs", "packs", "not a picture", "empty", "a web page"]
    words += ["404 Not Found", "206 Partial Content", "does not speak HTTP", "broke off"]
    with internet(monkeypatch, pages):
        messages = refusals(model, [f"http://site.example{path}" for path in pages], picture)
    for message, word in zip(messages, words, strict=True):
        assert word in message
    return len(pages)
