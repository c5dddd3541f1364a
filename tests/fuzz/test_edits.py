"""What breaks inputs must break them, and be able to do so by the format's own rules."""

import io
import json
import struct
import zlib
from random import Random

from fuzz.targets import exif
from PIL import Image

from fuzz import edits


def made(edit, seed, count=200):
    chance = Random(0)
    return [edit(seed, chance, [seed]) for _ in range(count)]


def test_bytes_differ_and_shrink_and_grow():
    seed = bytes(range(100))
    lengths = {len(data) for data in made(edits.bytes_edit, seed)}
    assert min(lengths) < 100 < max(lengths)
    assert sum(data != seed for data in made(edits.bytes_edit, seed)) > 150


def test_json_stays_json_mostly_and_loses_keys_and_gets_odd_values():
    seed = b'{"a": [1, 2, {"b": 0.5}], "c": "x"}'
    documents = []
    for data in made(edits.json_edit, seed):
        try:
            documents.append(json.loads(data))
        except (ValueError, RecursionError):
            continue
    assert len(documents) > 100
    assert any(isinstance(one, dict) and "a" not in one for one in documents)
    assert any("NaN" in json.dumps(one) for one in documents)
    assert any(data.count(b"[") > 1000 for data in made(edits.json_edit, seed))


def test_a_tensors_header_keeps_its_length():
    header = b'{"x": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}'
    seed = len(header).to_bytes(8, "little") + header + bytes(4)
    fitting = [
        data
        for data in made(edits.tensors_edit, seed)
        if data[8 + int.from_bytes(data[:8], "little") :] == bytes(4)
    ]
    assert len({data for data in fitting if data != seed}) > 50


def test_entries_of_every_directory_of_exif_are_found():
    for order in "<>":
        block = exif._structure(order)
        tags = {struct.unpack(f"{order}H", block[at : at + 2])[0] for at, _ in edits._tiff_entries(block)}
        assert tags == {0x8769, 0x8825, 0x9003, 0x9011, 1, 2, 3, 4}


def test_a_broken_png_keeps_its_checksums():
    out = io.BytesIO()
    Image.new("RGB", (4, 4)).save(out, "PNG")
    whole = out.getvalue()
    assert edits._summed(whole) == whole
    broken = edits._summed(whole[:16] + b"\xff" + whole[17:])
    assert broken[29:33] == struct.pack(">I", zlib.crc32(broken[12:29]))
