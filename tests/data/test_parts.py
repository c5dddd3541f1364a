"""Parts of a file read as the whole: any cut, any way of reading."""

import io
from itertools import pairwise
from string import ascii_lowercase

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graticule.data.parts import is_first_part, joined_bytes, open_joined

DATA = bytes(range(256)) * 3


def write_parts(folder, cuts, name="big"):
    bounds = [0, *sorted(cuts), len(DATA)]
    for number, (start, end) in enumerate(pairwise(bounds)):
        (folder / f"{name}{number:02d}").write_bytes(DATA[start:end])
    return folder / f"{name}00"


@given(
    cuts=st.lists(st.integers(0, len(DATA)), max_size=12),
    reads=st.lists(st.tuples(st.integers(0, len(DATA) + 9), st.integers(0, len(DATA) + 9)), max_size=8),
)
def test_it_reads_as_the_whole_does(tmp_path_factory, cuts, reads):
    first = write_parts(tmp_path_factory.mktemp("parts"), cuts)
    whole = io.BytesIO(DATA)
    with open_joined(first) as joined:
        assert joined.seek(0, io.SEEK_END) == len(DATA)
        for offset, size in reads:
            assert joined.seek(offset) == whole.seek(offset)
            assert joined.read(size) == whole.read(size)
            assert joined.tell() == whole.tell()
        joined.seek(0)
        assert joined.read() == DATA


def test_letters_count_as_split_counts_them(tmp_path):
    names = [f"x.tar.{first}{second}" for first in "ab" for second in ascii_lowercase]
    for number, name in enumerate(names):
        (tmp_path / name).write_bytes(bytes([number]))
    with open_joined(tmp_path / "x.tar.aa") as joined:
        assert joined.read() == bytes(range(52))


def test_a_gap_ends_it(tmp_path):
    first = write_parts(tmp_path, [100, 200, 300])
    (tmp_path / "big02").unlink()
    with open_joined(first) as joined:
        assert joined.read() == DATA[:200]
    assert joined_bytes(first) == 200
    assert joined_bytes(tmp_path / "none00") == 0


def test_a_whole_file_is_just_opened(tmp_path):
    (tmp_path / "a.tar").write_bytes(DATA)
    with open_joined(tmp_path / "a.tar") as file:
        assert file.read() == DATA


@pytest.mark.parametrize(
    ("name", "first"),
    [
        ("mp-16-images00", True),
        ("images.tar.aa", True),
        ("images.tar.000", True),
        ("images.tar.ab", False),
        ("images.tar.01", False),
        ("images.tar.10", False),
        ("images.tar", False),
        ("a", False),
        ("0", False),
    ],
)
def test_first_parts_are_known_by_their_names(name, first):
    assert is_first_part(name) == first
