"""Addresses of pictures: told from paths, named without secrets, taken apart without surprises."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graticule.errors import InputError, PictureError
from graticule.images.address import Address, addressed, files_only, what_hosts_learn


def test_addresses_are_told_from_paths():
    given = [
        "https://a.example/b.jpg",
        "HTTP://a.example",
        "a.jpg",
        "http:/a.jpg",
        "ftp://a.example/b",
        "./http://x",
    ]
    found = addressed(given)
    assert found[:2] == [Address(given[0]), Address(given[1])]
    assert found[2:] == [Path(text) for text in given[2:]]


@pytest.mark.parametrize("text", ["", "a.jpg", "ftp://a.example/b", "file:///etc/passwd", "https:/a.example"])
def test_what_is_no_address_is_refused_at_once(text):
    with pytest.raises(InputError, match="neither http:// nor https://"):
        Address(text)


def test_a_name_tells_host_and_path_and_keeps_secrets():
    given = Address("https://someone:secret@a.example:81/b/@c.jpg?token=secret&size=2#secret")
    assert str(given).startswith("https://a.example:81/b/@c.jpg?...")
    assert "secret" not in str(given) + repr(given)
    assert str(Address("http://a.example/b.jpg")) == "http://a.example/b.jpg"
    assert str(Address("http://a.example")) == "http://a.example"
    assert str(Address("http://a.example/?id=1")) != str(Address("http://a.example/?id=2"))
    assert str(Address("http://a.example/\x1b[31m\n")) == "http://a.example/?[31m?"


@pytest.mark.parametrize(
    ("url", "scheme", "authority", "host", "port", "target"),
    [
        ("https://A.example", "https", "a.example", "a.example", 443, "/"),
        ("http://a.example:80/b", "http", "a.example", "a.example", 80, "/b"),
        ("https://a.example:80/b", "https", "a.example:80", "a.example", 80, "/b"),
        ("http://[2606:4700::1111]:81/", "http", "[2606:4700::1111]:81", "2606:4700::1111", 81, "/"),
        ("http://a.example/b c?d=e f&g=%20#h", "http", "a.example", "a.example", 80, "/b%20c?d=e%20f&g=%20"),
        (
            "http://m\u00fcnchen.de/\u00fc?\u00f6",
            "http",
            "xn--mnchen-3ya.de",
            "xn--mnchen-3ya.de",
            80,
            "/%C3%BC?%C3%B6",
        ),
    ],
)
def test_parts(url, scheme, authority, host, port, target):
    parts = Address(url).parts()
    assert (parts.scheme, parts.authority, *parts[1:]) == (scheme, authority, host, port, target)


@pytest.mark.parametrize(
    "url",
    [
        "http://",
        "http:///a.jpg",
        "http://a.example:0/",
        "http://a.example:99999/",
        "http://a.example:secret/",
        "http://[::1",
        "http://[fe80::1%25eth0]/",
        "http://a b/",
        "http://a.example\\@127.0.0.1/",
        "http://a.example/\r\nHost: b.example",
        "http://a.example/\x00",
        "http://" + "a" * 300,
        "http://a..example/",
        "http://someone@a.example/",
        "http://:@a.example/",
    ],
)
def test_what_cannot_be_asked_is_refused_by_name(url):
    with pytest.raises(PictureError) as refused:
        Address(url).parts()
    assert str(refused.value).startswith(f"{Address(url)}: ")
    told = str(refused.value).removeprefix(f"{Address(url)}: ")
    assert "secret" not in told
    assert told.endswith((".",))


@given(st.sampled_from(["http://", "https://"]), st.text(max_size=60))
def test_a_request_of_any_address_is_plain(beginning, text):
    address = Address(beginning + text)
    assert str(address).isprintable()
    try:
        parts = address.parts()
    except PictureError:
        return
    for part in (parts.authority, parts.target):
        assert part.isascii()
        assert part.isprintable()
        assert " " not in part
    assert parts.target.startswith("/")
    assert 0 < parts.port < 65536


def test_what_wants_files_names_the_first_address():
    files = [Path("a.jpg"), Path("b.jpg")]
    assert files_only(files, "that wants files") == files
    with pytest.raises(InputError, match=r"http://a.example/b: is an address, and that wants files\."):
        files_only([*files, Address("http://a.example/b")], "that wants files")


def test_hosts_are_said_once_and_only_if_they_are_asked():
    urls = [
        "http://b.example/1",
        "https://a.example/",
        "http://b.example/2?secret",
        "http://someone@c.example/",
    ]
    told = what_hosts_learn([Path("d.example"), *map(Address, urls)])
    assert told.startswith("asks b.example, a.example for pictures. ")
    assert "c.example" not in told
    assert what_hosts_learn([Path("a.jpg")]) is None
