"""What a server receives: small pictures, a question, nothing else; and only the server that was named."""

import io
import re

import pytest
from PIL import Image

from graticule.decoding.judge.pictures import small_jpeg
from graticule.decoding.judge.verdict import JudgeCandidate
from graticule.errors import PictureError

PLACES = [JudgeCandidate(48.85837, 2.29448, 0.5), JudgeCandidate(-0.00001, 151.2153)]
TWO = ("says", '{"choice": 2}')
SECRET = b"taken by Ada"


def telling_jpeg(jpeg):
    """1600 x 1200, turned on its side, with everything a camera writes into a file."""
    exif = Image.Exif()
    exif[0x0112] = 6
    exif[0x013B] = SECRET.decode()
    gps = exif.get_ifd(0x8825)
    gps[1], gps[2], gps[3], gps[4] = "N", (48.0, 51.0, 30.0), "E", (2.0, 17.0, 40.0)
    xmp = b"http://ns.adobe.com/xap/1.0/\0<x:xmpmeta>" + SECRET
    picture = jpeg(1600, 1200, exif=exif, comment=SECRET, icc_profile=b"icc" + SECRET, xmp=xmp)
    assert picture.count(SECRET) >= 3
    assert dict(Image.open(io.BytesIO(picture)).getexif().get_ifd(0x8825))
    return picture


@pytest.mark.parametrize("how", ["path", "bytes", "image"])
def test_only_a_small_picture_without_metadata_arrives(make_judge, server, jpeg, tmp_path, how):
    data = telling_jpeg(jpeg)
    path = tmp_path / "Ada at home.jpg"
    path.write_bytes(data)
    with Image.open(path) as image:
        image.load()
    picture = {"path": path, "bytes": data, "image": image}[how]
    make_judge(TWO).judge([picture], [PLACES])
    [(where, _, body)] = server.received
    assert where == "/v1/chat/completions"
    assert b"Ada" not in body
    [arrived] = server.pictures()
    assert SECRET not in arrived
    with Image.open(io.BytesIO(arrived)) as image:
        assert image.format == "JPEG"
        # A file is set upright; an image is taken as it is.
        assert image.size == ((512, 384) if how == "image" else (384, 512))
        assert not dict(image.getexif())
        assert set(image.info) <= {"jfif", "jfif_version", "jfif_unit", "jfif_density"}
    markers = set(re.findall(rb"\xff[\xe1-\xef\xfe]", arrived.partition(b"\xff\xda")[0]))
    assert not markers, "no application segment but JFIF's, and no comment"


def test_the_longest_side_is_as_asked_and_nothing_is_enlarged(jpeg):
    for size, max_side, expected in [
        ((1600, 1200), 100, (100, 75)),
        ((64, 48), 512, (64, 48)),
        ((2000, 10), 200, (200, 1)),
        ((1, 1), 512, (1, 1)),
    ]:
        with Image.open(io.BytesIO(small_jpeg(jpeg(*size), max_side))) as image:
            assert image.size == expected


def test_only_what_the_door_for_pixels_gives_is_encoded(jpeg):
    with pytest.raises(PictureError, match="RGB"):
        small_jpeg(Image.new("RGBA", (4, 4)), 512)
    with pytest.raises(PictureError):
        small_jpeg(b"%PDF-1.7", 512)


@pytest.mark.parametrize("mode", ["pool", "free"])
def test_the_question_holds_the_candidates_and_no_nan(make_judge, server, jpeg, mode):
    make_judge(TWO, mode=mode, attempts=1).judge([jpeg()], [PLACES])
    [request] = server.requests()
    [message] = request["messages"]
    text, picture = message["content"]
    assert "48.8584, 2.2945 (probability 0.50)" in text["text"]
    assert "0.0000, 151.2153" in text["text"]
    for wrong in ("nan", "None", "-0.0000", "48.85837"):
        assert wrong not in text["text"]
    assert picture["image_url"]["detail"] == "low"
    assert request["model"] == "eye"


def test_the_environment_decides_neither_where_nor_what(make_judge, server, start_server, monkeypatch, jpeg):
    elsewhere = start_server()
    elsewhere.behaviours[:] = [TWO]
    for name in ("OPENAI_BASE_URL", "OPENAI_API_BASE", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, elsewhere.url)
    for name in ("API_KEY", "ADMIN_KEY", "ORG_ID", "PROJECT_ID", "WEBHOOK_SECRET"):
        monkeypatch.setenv(f"OPENAI_{name}", "sk-private")
    monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", "X-Private: sk-private\nHost: elsewhere.example")
    [verdict] = make_judge(TWO).judge([jpeg()], [PLACES])
    assert verdict.how == "judge"
    assert not elsewhere.received
    [(_, headers, body)] = server.received
    assert b"sk-private" not in body
    assert {name.lower(): value for name, value in headers.items()} == {
        "host": f"127.0.0.1:{server.server_port}",
        "accept": "application/json",
        "accept-encoding": "identity",
        "content-type": "application/json",
        "content-length": str(len(body)),
        "user-agent": "graticule",
    }


@pytest.mark.parametrize("code", [301, 302, 307, 308])
def test_a_redirect_is_not_followed(make_judge, server, start_server, jpeg, code):
    elsewhere = start_server()
    elsewhere.behaviours[:] = [TWO]
    judge = make_judge(("fails", code, "moved", {"Location": f"{elsewhere.url}/chat/completions"}))
    verdicts = judge.judge([jpeg()] * 2, [PLACES] * 2)
    assert [verdict.how for verdict in verdicts] == ["fallback"] * 2
    assert "redirect" in verdicts[1].why
    assert not elsewhere.received
    assert len(server.received) == 1


def test_the_key_that_was_named_is_sent_and_never_shown(make_judge, server, monkeypatch, jpeg):
    monkeypatch.setenv("MY_KEY", "sk-mine")
    judge = make_judge(("fails", 401, "Incorrect key: sk-mine"), api_key_env="MY_KEY")
    [verdict] = judge.judge([jpeg()], [PLACES])
    assert server.received[0][1]["Authorization"] == "Bearer sk-mine"
    assert "Incorrect key: ***" in verdict.why
    assert "sk-mine" not in repr(vars(judge.config)) + repr(verdict)
    [verdict] = make_judge(("says", "sk-mine"), api_key_env="MY_KEY").judge([jpeg()], [PLACES])
    assert "sk-mine" not in verdict.why


def test_a_servers_words_can_not_steer_a_terminal(make_judge, jpeg):
    for behaviour in [("fails", 400, "\x1b]0;owned\x07\r\nall fine" * 99), ("says", "\x1b[2J\u202e")]:
        [verdict] = make_judge(behaviour).judge([jpeg()], [PLACES])
        assert verdict.how == "fallback"
        assert verdict.why.isprintable()
        assert len(verdict.why) < 400


def test_nothing_is_sent_until_asked(make_judge, server):
    make_judge(TWO)
    assert not server.received
