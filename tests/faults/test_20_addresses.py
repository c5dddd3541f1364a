"""Fault 20: an address in the place of a picture, which may lead into the network behind this machine."""

import io
import shutil
import urllib.request
from pathlib import Path

import pytest
from PIL import Image

from faults.addresses import (
    Plain,
    check_inside,
    check_lies,
    check_much,
    check_off,
    check_rebinding,
    check_redirects,
    check_service,
    check_slow,
)
from faults.answers import located, refused_alone
from faults.fault import Fault
from graticule.images import open as door
from graticule.images import remote
from graticule.images.address import Address
from graticule.locator import Geolocator
from internet import internet, moved, page

FAULT = Fault(
    number=20,
    fault="URL input to private addresses, redirects to them, DNS rebinding, IPv6-mapped",
    defence="off unless --allow-urls is given; then a name is resolved once, all its IP addresses must be public, the "
    "connection goes to one that was checked, redirects are checked anew, bytes and the whole time are bounded "
    "(images/remote.py, images/reachable.py)",
)


@pytest.fixture(scope="module")
def model(small_folder):
    return Geolocator.load(small_folder)


@pytest.fixture(scope="module")
def small_png():
    """A picture of few bytes."""
    stream = io.BytesIO()
    Image.new("RGB", (8, 8), "green").save(stream, "PNG")
    return stream.getvalue()


def test_an_address_is_refused_by_name(small_folder, picture, capsys, monkeypatch, record_property):
    record_property("inputs", check_off(small_folder, picture, capsys, monkeypatch))


def test_the_service_fetches_nothing(picture, record_property):
    record_property("inputs", check_service(picture))


def test_a_file_that_is_called_like_an_address_is_a_file(
    small_folder, picture, tmp_path, capsys, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    named = Path("http://example.org/a.png")
    named.parent.mkdir(parents=True)
    shutil.copy(picture, named)
    with pytest.raises(AssertionError):  # it is answered
        refused_alone(capsys, small_folder, [named], picture)


def test_without_the_defence_it_is_fetched(small_folder, picture, capsys, monkeypatch):
    closed = door.byte_stream

    def fetching(source, name):
        if isinstance(source, Path) and source.parts[0].lower() in ("http:", "ftp:", "file:"):
            address = str(source).replace(":/", "://", 1)
            try:
                return closed(urllib.request.urlopen(address, timeout=1).read(), name)
            except Exception as error:
                raise FileNotFoundError(name) from error
        return closed(source, name)

    monkeypatch.setattr(door, "byte_stream", fetching)
    with pytest.raises(AssertionError):
        check_off(small_folder, picture, capsys, monkeypatch)


# On: where an address may lead.


def test_nothing_inside_is_reached(model, picture, monkeypatch, record_property):
    record_property("inputs", check_inside(model, picture, monkeypatch))


def test_a_name_is_resolved_once(model, picture, monkeypatch, record_property):
    record_property("inputs", check_rebinding(model, picture, monkeypatch))


def test_the_command_refuses_them_too(small_folder, picture, capsys, monkeypatch, record_property):
    given = ["http://127.0.0.1/a.png", "http://site.example/a.png", "http://site.example/in?key=secret"]
    pages = {"/a.png": page(200, picture.read_bytes()), "/in?key=secret": moved("http://10.0.0.1/")}
    with internet(monkeypatch, pages) as net:
        status, records, said = located(capsys, small_folder, *given, picture, "--allow-urls")
        assert not net.inside.asked
    assert status == 1
    assert ["latitude" in record for record in records] == [False, True, False, True]
    assert [record["path"] for record in records][:2] == given[:2]
    assert said.startswith("graticule: asks 127.0.0.1, site.example for pictures. ")
    assert "secret" not in said + str(records)
    record_property("inputs", len(given))


def test_without_the_check_of_addresses_the_inside_answers(model, picture, monkeypatch):
    monkeypatch.setattr(remote, "reachable", lambda ip: True)
    with pytest.raises(AssertionError):
        check_inside(model, picture, monkeypatch)


def test_without_the_check_of_every_address_the_inside_answers(model, picture, monkeypatch):
    found_all = remote._resolved
    monkeypatch.setattr(remote, "_first_reached", lambda found, allowance: dialled(found[-1]))
    monkeypatch.setattr(remote, "_resolved", lambda *given: Lax(found_all(*given)))
    monkeypatch.setattr(remote, "_tls", Plain)
    with pytest.raises(AssertionError):
        check_inside(model, picture, monkeypatch)


class Lax(list):
    """Addresses of which only the first is seen by who goes through them."""

    def __iter__(self):
        return iter(self[:1])


def dialled(line):
    *how, _, place = line
    return remote._dial(*how, place, 10)


def test_without_the_check_of_redirects_the_inside_answers(model, picture, monkeypatch):
    public = remote.reachable
    asked = []
    told = remote._request

    def request(parts):
        asked.append(parts)
        return told(parts)

    monkeypatch.setattr(remote, "_request", request)
    monkeypatch.setattr(remote, "reachable", lambda ip: bool(asked) or public(ip))
    with pytest.raises(AssertionError):
        check_inside(model, picture, monkeypatch)


def test_without_resolving_once_the_name_is_bound_anew(model, picture, monkeypatch):
    checked = remote._connected

    def by_name(hop, parts, allowance):
        checked(hop, parts, allowance).close()
        return dialled(remote._look_up(parts.host, parts.port)[0])

    monkeypatch.setattr(remote, "_connected", by_name)
    with pytest.raises(AssertionError):
        check_rebinding(model, picture, monkeypatch)


# On: redirects.


def test_redirects_are_few_and_lead_nowhere_else(model, picture, monkeypatch, record_property):
    record_property("inputs", check_redirects(model, picture, monkeypatch))


@pytest.mark.parametrize(
    ("of", "name", "without"),
    [(remote, "MAX_REDIRECTS", 50), (Address, "encrypted", False)],
    ids=["how-many", "from-https"],
)
def test_without_a_check_redirects_are_followed(model, picture, monkeypatch, of, name, without):
    monkeypatch.setattr(of, name, without)
    with pytest.raises(AssertionError):
        check_redirects(model, picture, monkeypatch)


# On: what a server sends, and how slowly.


def test_an_endless_answer_is_cut_off(model, picture, small_png, monkeypatch, record_property):
    record_property("inputs", check_much(model, picture, small_png, monkeypatch))


def test_a_slow_answer_is_cut_off(model, picture, small_png, monkeypatch, record_property):
    record_property("inputs", check_slow(model, picture, small_png, monkeypatch))


def test_an_answer_that_lies_is_refused(model, picture, small_png, monkeypatch, record_property):
    record_property("inputs", check_lies(model, picture, small_png, monkeypatch))


def test_without_counting_bytes_much_is_taken(model, picture, small_png, monkeypatch):
    monkeypatch.setattr(remote._Allowance, "take", lambda self, count: None)
    with pytest.raises(AssertionError):
        check_much(model, picture, small_png, monkeypatch, most=1_000_000)


def test_without_one_limit_for_all_of_it_drips_are_taken(model, picture, small_png, monkeypatch):
    monkeypatch.setattr(remote._Allowance, "seconds", lambda self: 60)
    with pytest.raises(AssertionError):
        check_slow(model, picture, small_png, monkeypatch, limit_s=1)


def all_fine(hop, response):
    """An answer, whatever its status."""
    response.status = 200
    return ANSWER(hop, response)


ANSWER = remote._answer


@pytest.mark.parametrize(
    ("name", "without"),
    [
        ("_codings", lambda response: set()),
        ("_answer", lambda hop, response: response.fp.read()),
        ("_answer", all_fine),
    ],
    ids=["packed", "length", "status"],
)
def test_without_looking_at_what_is_said_lies_are_taken(
    model, picture, small_png, monkeypatch, name, without
):
    monkeypatch.setattr(remote, name, without)
    with pytest.raises(AssertionError):
        check_lies(model, picture, small_png, monkeypatch)
