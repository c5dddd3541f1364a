"""The size that a WebP file declares, read before a decoder sees the file.

Of all formats only this one needs it: libwebp sets aside two canvases as soon as it is shown a file, at 4 bytes a
pixel, and all others as late as they are asked for pixels.
"""

from __future__ import annotations

__all__ = ["HEAD_BYTES", "webp_size"]

HEAD_BYTES = 30
"""What `webp_size` must be given of a file."""


def webp_size(head: bytes) -> tuple[int, int] | None:
    """Width and height, as the first chunk declares them (RFC 9649, sections 2.5 to 2.7 and 3.4).

    Args:
        head: The first `HEAD_BYTES` of a file.

    Returns:
        None if it is no WebP, or its first chunk is not one that a picture begins with.
    """
    if len(head) < HEAD_BYTES or head[:4] != b"RIFF" or head[8:12] != b"WEBP":
        return None
    kind, body = head[12:16], head[20:]
    if kind == b"VP8X":
        return 1 + int.from_bytes(body[4:7], "little"), 1 + int.from_bytes(body[7:10], "little")
    if kind == b"VP8L" and body[0] == 0x2F:
        bits = int.from_bytes(body[1:5], "little")
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    if kind == b"VP8 " and body[3:6] == b"\x9d\x01\x2a":
        return int.from_bytes(body[6:8], "little") & 0x3FFF, int.from_bytes(body[8:10], "little") & 0x3FFF
    return None
