"""Fault 12: files with the ending of a picture that hold something else."""

import pytest

from faults.answers import refused_alone
from faults.fault import Fault
from graticule.images import open as door
from images.test_open import encoded, scene

FAULT = Fault(
    number=12,
    fault="an empty file, HTML, SVG or text with an image's extension",
    defence="what a file is its bytes say, to six decoders and no more; a refusal tells what it seems to be "
    "(images/open.py, images/sniff.py)",
)

STRANGERS = {
    "empty": (b"", "the file is empty"),
    "html": (b"<!DOCTYPE html><html><body>404 Not Found</body></html>", "a web page"),
    "html-of-a-portal": (b"\xef\xbb\xbf\r\n<html><head><title>Sign in</title>", "a web page"),
    "svg": (b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"><rect/></svg>', "an SVG drawing"),
    "text": (b"Dear diary, today we walked to the lake.\n", "a text file"),
    "csv": (b"path,latitude,longitude\na.jpg,1,2\n", "a text file"),
    "json": (b'{"error": "no such picture"}', "a text file"),
    "pdf": (b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n", "a PDF document"),
    "postscript": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\nshowpage\n", "a text file"),
    "heic": (b"\0\0\0\x18ftypheic\0\0\0\0", "a HEIC or AVIF picture"),
    "video": (b"\0\0\0\x18ftypisom\0\0\0\0", "a video"),
    "lfs": (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "a Git LFS pointer"),
    "zip": (b"PK\x03\x04\x14\0\0\0\x08\0\xff\xfe\xfd", "not a picture"),
    "zeros": (bytes(4096), "not a picture"),
    "a-format-too-many": (encoded(scene(), "PCX"), "JPEG, PNG, WebP, TIFF, GIF and BMP"),
    "another": (encoded(scene(), "TGA"), "JPEG, PNG, WebP, TIFF, GIF and BMP"),
    "beginning-only": (encoded(scene())[:12], "damaged or cut short"),
}


def check(model, folder, good, capsys):
    """Each is refused by name and told what it is, and the picture among them answered. Gives how many were tried."""
    paths = []
    for number, (name, (content, _)) in enumerate(STRANGERS.items()):
        paths.append(folder / f"{name}.{('jpg', 'png', 'webp', 'tif', 'gif', 'bmp')[number % 6]}")
        paths[-1].write_bytes(content)
    messages = refused_alone(capsys, model, paths, good)
    for path, message, (_, told) in zip(paths, messages, STRANGERS.values(), strict=True):
        assert message.startswith(f"{path}: "), message
        assert told in message, f"{path.name}: {message}"
    return len(paths)


def test_what_is_no_picture_is_refused_and_named(small_folder, picture, tmp_path, capsys, record_property):
    record_property("inputs", check(small_folder, tmp_path, picture, capsys))


def test_without_the_list_of_decoders_strangers_are_decoded(
    small_folder, picture, tmp_path, capsys, monkeypatch
):
    monkeypatch.setattr(door, "FORMATS", None)
    with pytest.raises(AssertionError):
        check(small_folder, tmp_path, picture, capsys)


def test_without_a_look_at_the_bytes_nobody_is_told_what_it_is(
    small_folder, picture, tmp_path, capsys, monkeypatch
):
    monkeypatch.setattr(door, "what_it_is", lambda head: "can't be read.")
    with pytest.raises(AssertionError, match="html"):
        check(small_folder, tmp_path, picture, capsys)
