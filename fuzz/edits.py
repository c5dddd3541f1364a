"""Changes that break an input by the rules of its format: each takes bytes, chance and the seeds, and gives bytes.

Chance is a `random.Random`: hypothesis gives one whose choices it can shrink, the long run one of a seed.
"""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Callable, Sequence
from random import Random
from typing import Any, Final, TypeAlias

__all__ = ["Edit", "bytes_edit", "json_edit", "lines_edit", "mixed", "png_edit", "tensors_edit", "tiff_edit"]

Edit: TypeAlias = Callable[[bytes, Random, Sequence[bytes]], bytes]

_NUMBERS: Final = (
    0,
    1,
    2,
    0x7F,
    0x80,
    0xFF,
    0x7FFF,
    0x8000,
    0xFFFF,
    2**31 - 1,
    2**31,
    2**32 - 1,
    2**63,
    2**64 - 1,
)
_VALUES: Final = (
    None, True, False, 0, -1, 1, 0.5, -0.0, 90, 90.0001, -180, 181, 360, 1e-320, 1e308, float("nan"),
    float("inf"), -float("inf"), 2**31, 2**53 + 1, -(2**63), 2**64, 10**40, "", "0", "nan", "\0", "\ud800", "/", "..",
    "a" * 300, [], {}, [[]], [0, 0], [None], {"": None},
)  # fmt: skip
_NESTED: Final = 2_000
"""Deeper than Python recurses."""


def bytes_edit(data: bytes, chance: Random, seeds: Sequence[bytes]) -> bytes:
    """Flip, cut, repeat, insert, splice with another seed, or write a number that means a length or an offset."""
    at = chance.randrange(len(data) + 1)
    end = min(len(data), at + chance.choice((1, 2, 4, 16, 256)))
    kind = chance.randrange(7)
    if kind == 0 and at < len(data):
        return data[:at] + bytes([data[at] ^ 1 << chance.randrange(8)]) + data[at + 1 :]
    if kind == 1:
        return data[:at]
    if kind == 2:
        return data[:at] + data[end:]
    if kind == 3:
        return data[:end] + data[at:end] * chance.choice((1, 2, 50)) + data[end:]
    if kind == 4:
        return data[:at] + bytes(chance.randrange(256) for _ in range(chance.randrange(1, 9))) + data[at:]
    if kind == 5:
        other = chance.choice(seeds)
        return data[:at] + other[chance.randrange(len(other) + 1) :]
    width, order = chance.choice((1, 2, 4, 8)), chance.choice(("little", "big"))
    number = chance.choice(_NUMBERS) % 256**width
    return data[:at] + number.to_bytes(width, order) + data[at + width :]  # type: ignore[arg-type]


def json_edit(data: bytes, chance: Random, seeds: Sequence[bytes]) -> bytes:
    """Put another value into a JSON document, take one away, rename one or nest it; as bytes if it is none."""
    try:
        document = json.loads(data)
    except (ValueError, RecursionError):
        return bytes_edit(data, chance, seeds)
    if chance.randrange(4) == 0:
        return bytes_edit(data, chance, seeds)
    return _as_json(_changed(document, chance))


def lines_edit(data: bytes, chance: Random, seeds: Sequence[bytes]) -> bytes:
    """`json_edit` of one line among others; or a line twice, gone, or in another's place."""
    lines = data.split(b"\n")
    at = chance.randrange(len(lines))
    kind = chance.randrange(6)
    if kind == 0:
        lines[at : at + 1] = [lines[at]] * 2
    elif kind == 1:
        del lines[at]
    elif kind == 2:
        lines[at] = chance.choice(lines)
    else:
        lines[at] = json_edit(lines[at], chance, seeds)
    return b"\n".join(lines)


def tensors_edit(data: bytes, chance: Random, seeds: Sequence[bytes]) -> bytes:
    """Change the header of a safetensors file, and let its length fit; or any bytes."""
    end = 8 + int.from_bytes(data[:8], "little")
    if len(data) < end or end > 1 << 20 or chance.randrange(4) == 0:
        return bytes_edit(data, chance, seeds)
    header = json_edit(data[8:end], chance, [data[8:end]])
    return len(header).to_bytes(8, "little") + header + data[end:]


def tiff_edit(data: bytes, chance: Random, seeds: Sequence[bytes]) -> bytes:
    """Let an entry of a TIFF structure, as EXIF is one, lie about its tag, type, count or offset."""
    entries = list(_tiff_entries(data))
    if not entries or chance.randrange(3) == 0:
        return bytes_edit(data, chance, seeds)
    at, order = chance.choice(entries)
    field, width = chance.choice(((0, 2), (2, 2), (4, 4), (8, 4)))
    known = data[chance.choice(entries)[0] :][field : field + width]
    number = chance.choice(_NUMBERS) % 256**width
    value = chance.choice((known, number.to_bytes(width, "little" if order == "<" else "big")))
    return data[: at + field] + value + data[at + field + width :]


def png_edit(data: bytes, chance: Random, seeds: Sequence[bytes]) -> bytes:
    """Change bytes of a PNG and make its checksums right again, which would hide all else; others as bytes."""
    changed = bytes_edit(data, chance, seeds)
    return _summed(changed) if changed.startswith(b"\x89PNG") else changed


def mixed(*edits: Edit) -> Edit:
    """Any one of several edits, a few times over."""

    def edit(data: bytes, chance: Random, seeds: Sequence[bytes]) -> bytes:
        for _ in range(chance.choice((1, 1, 2, 4))):
            data = chance.choice(edits)(data, chance, seeds)
        return data

    return edit


def _changed(document: Any, chance: Random) -> Any:
    """A JSON value with one of its parts changed; the value itself is spoilt."""
    places = list(_places(document))
    if not places:
        return _odd(document, chance)
    holder, key = chance.choice(places)
    kind = chance.randrange(5)
    if kind == 0:
        del holder[key]
    elif kind == 1 and isinstance(holder, dict):
        holder[chance.choice(("", f"{key} ", "type", "__proto__"))] = holder.pop(key)
    elif kind == 2:
        other, name = chance.choice(places)
        holder[key] = json.loads(json.dumps(other[name]))  # a copy: no list may hold itself
    else:
        holder[key] = _odd(holder[key], chance)
    return document


def _places(value: Any) -> list[tuple[Any, Any]]:
    """Where each part of a JSON value is held: the list or object, and the index or key."""
    keys = range(len(value)) if isinstance(value, list) else list(value) if isinstance(value, dict) else []
    return [place for key in keys for place in ((value, key), *_places(value[key]))]


def _odd(value: Any, chance: Random) -> Any:
    kind = chance.randrange(6)
    if kind == 0 and isinstance(value, int | float):
        return chance.choice((-value, value * 1e9, value + 0.5, str(value)))
    if kind == 1:
        return _Nested()
    if kind == 2:
        return [value]
    return chance.choice(_VALUES)


class _Nested:
    """Stands for lists within lists, which `json.dumps` can't write."""


def _as_json(document: Any) -> bytes:
    marker = "\x01nested\x01"
    text = json.dumps(document, default=lambda _: marker)
    return text.replace(json.dumps(marker), "[" * _NESTED + "]" * _NESTED).encode()


def _tiff_entries(data: bytes) -> list[tuple[int, str]]:
    """Where the entries of all TIFF structures in a file lie, and their byte order."""
    found: list[tuple[int, str]] = []
    for mark, order in ((b"II*\0", "<"), (b"MM\0*", ">")):
        start = data.find(mark)
        directories = [4] if start >= 0 else []
        while directories and len(found) < 200:
            place = start + directories.pop()
            [offset] = struct.unpack(f"{order}I", data[place : place + 4].ljust(4, b"\0"))
            first = start + offset + 2
            [count] = struct.unpack(f"{order}H", data[first - 2 : first].ljust(2, b"\0"))
            for at in range(first, min(first + 12 * count, len(data) - 11), 12):
                found.append((at, order))
                if data[at : at + 2] in (struct.pack(f"{order}H", tag) for tag in (0x8769, 0x8825)):
                    directories.append(at + 8 - start)
            if len(found) > 200:
                break
    return found


def _summed(data: bytes) -> bytes:
    """A PNG with the right checksum behind each chunk."""
    out, at = bytearray(data[:8]), 8
    while at + 12 <= len(data):
        [length] = struct.unpack(">I", data[at : at + 4])
        if at + 12 + length > len(data):
            break
        body = data[at + 4 : at + 8 + length]
        out += data[at : at + 4] + body + struct.pack(">I", zlib.crc32(body))
        at += 12 + length
    return bytes(out) + data[at:]
