"""What a file that is no picture seems to be, so that a refusal can say what to do about it."""

from __future__ import annotations

from typing import Final

__all__ = ["what_it_is"]

_KNOWN: Final = "Graticule reads JPEG, PNG, WebP, TIFF, GIF and BMP."

_PICTURES: Final = (b"\xff\xd8\xff", b"\x89PNG", b"RIFF", b"II*\0", b"MM\0*", b"GIF8", b"BM")
_HEIF_BRANDS: Final = (b"heic", b"heix", b"hevc", b"mif1", b"msf1", b"avif", b"avis")


def what_it_is(head: bytes) -> str:
    """One or two sentences about a file that no decoder recognised.

    Args:
        head: Its first bytes; a kilobyte is plenty.
    """
    if head.startswith(_PICTURES):
        return "begins like a picture, but is damaged or cut short. Copy it again from where it came."
    if head[4:8] == b"ftyp":
        if head[8:12] in _HEIF_BRANDS:
            return f"a HEIC or AVIF picture. {_KNOWN} Export it as JPEG."
        return f"a video. {_KNOWN} Export a frame."
    if head.startswith(b"%PDF"):
        return f"a PDF document. {_KNOWN} Export the page as PNG."
    if head.startswith(b"version https://git-lfs"):
        return "a Git LFS pointer, not the picture. Run 'git lfs pull' in its repository."
    return _text(head) or f"not a picture in a format Graticule reads. {_KNOWN} Convert it to one of them."


def _text(head: bytes) -> str | None:
    """What kind of text it is, or None if it is not text."""
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if b"<svg" in start:
        return f"an SVG drawing. {_KNOWN} Export it as PNG."
    if start.startswith((b"<!doctype html", b"<html", b"<head", b"<body")):
        return "a web page, not a picture: the link led to a page around it. Download the picture itself."
    printable = sum(byte >= 32 or byte in b"\t\n\r\f" for byte in head)
    if head and b"\0" not in head and printable >= 0.95 * len(head):
        return f"a text file, not a picture, whatever its name says. {_KNOWN}"
    return None
