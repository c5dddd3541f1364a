"""A record leads to the bytes of its picture, or says why not; never out of its folder."""

import errno
import io
import multiprocessing
import struct
import zipfile
import zlib
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graticule.data import records
from graticule.data.records import leads_outside, read_picture
from graticule.errors import InputError, PictureError


def row(container, member="", offset=-1, size=-1):
    return {"container": container, "member": member, "offset": offset, "size": size}


def zipped(path, **members):
    """A zip of deflated members; the rows that lead to them."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, data in members.items():
            file.writestr(name, data)
        infos = file.infolist()
    return {i.filename: row(path.name, i.filename, i.header_offset, i.compress_size) for i in infos}


@given(st.lists(st.binary(max_size=200), min_size=1, max_size=6), st.sampled_from([0, 8]))
def test_bytes_come_back_from_a_zip_however_packed(tmp_path_factory, contents, method):
    root = tmp_path_factory.mktemp("zip")
    with zipfile.ZipFile(root / "a.zip", "w", method) as file:
        for number, data in enumerate(contents):
            file.writestr(f"dé/{number}.jpg", data)
        infos = file.infolist()
    for info, data in zip(infos, contents, strict=True):
        assert read_picture(root, row("a.zip", info.filename, info.header_offset, info.compress_size)) == data


def streamed(path, method):
    """A zip of one member, written where nothing can be gone back to; the row that leads to it."""

    class Stream(io.BytesIO):
        def seekable(self):
            return False

        def tell(self):
            raise OSError

    stream = Stream()
    with zipfile.ZipFile(stream, "w", method) as file:
        file.writestr("a.jpg", b"abc" * 50)
        [info] = file.infolist()
    path.write_bytes(stream.getvalue())
    return row(path.name, "a.jpg", info.header_offset, info.compress_size)


@pytest.mark.parametrize("method", [0, 8])
@pytest.mark.parametrize("signed", [True, False])
def test_a_zip_written_to_a_stream_has_sizes_and_checksum_elsewhere(tmp_path, method, signed):
    path = tmp_path / "a.zip"
    record = streamed(path, method)
    if not signed:
        path.write_bytes(path.read_bytes().replace(b"PK\7\x08", b""))
    assert read_picture(tmp_path, record) == b"abc" * 50
    data = path.read_bytes()
    path.write_bytes(data.replace(struct.pack("<L", zlib.crc32(b"abc" * 50)), b"????"))
    with pytest.raises(PictureError, match="damaged inside its zip"):
        read_picture(tmp_path, record)


def test_deflated_bytes_that_never_end_are_seen(tmp_path):
    """Nothing is lost of what can be read, so that the checksum alone would hold."""
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    packed = packer.compress(b"abc") + packer.flush(zlib.Z_SYNC_FLUSH)
    entry = struct.pack("<4s5H3L2H", b"PK\3\4", 20, 0, 8, 0, 0, zlib.crc32(b"abc"), len(packed), 3, 1, 0)
    (tmp_path / "a.zip").write_bytes(entry + b"a" + packed)
    with pytest.raises(PictureError, match="ends too soon"):
        read_picture(tmp_path, row("a.zip", "a", 0, len(packed)))


@pytest.mark.parametrize(
    "path",
    [
        "../a",
        "a/../../b",
        "/etc/passwd",
        "..",
        "a/..",
        "\\a",
        "..\\a",
        "C:\\a",
        "C:/a",
        "c:a",
        "//host/share/a",
        "",
        ".",
    ],
)
def test_what_leads_outside_is_refused(tmp_path, path):
    assert leads_outside(path)
    with pytest.raises(PictureError, match="leads out of the source's folder"):
        read_picture(tmp_path, row(path))


@pytest.mark.parametrize("path", ["a", "a/b.jpg", "..a/b..c", "12:30.jpg", "...", "é /ü"])
def test_what_does_not_is_not(path):
    assert not leads_outside(path)


def test_what_is_not_there_is_refused_by_name(tmp_path):
    with pytest.raises(PictureError, match=r"gone\.jpg: can't be read"):
        read_picture(tmp_path, row("gone.jpg"))
    with pytest.raises(PictureError, match=r"gone\.zip/a\.jpg: can't be read"):
        read_picture(tmp_path, row("gone.zip", "a.jpg", 0, 3))
    (tmp_path / "folder.jpg").mkdir()
    with pytest.raises(PictureError, match=r"folder\.jpg"):
        read_picture(tmp_path, row("folder.jpg"))


@pytest.mark.parametrize(
    ("error", "passing"),
    [
        *((OSError(number, "oh"), True) for number in (errno.EIO, errno.ESTALE, errno.EMFILE, errno.ENOMEM)),
        (MemoryError(), True),
        (OSError(errno.EACCES, "oh"), False),
    ],
)
def test_a_failing_disk_is_no_fault_of_the_picture(tmp_path, monkeypatch, error, passing):
    (tmp_path / "a.jpg").write_bytes(b"a")

    def fail(*_):
        raise error

    monkeypatch.setattr(records, "_plain", fail)
    with pytest.raises(InputError, match=r"a\.jpg: can't be read") as caught:
        read_picture(tmp_path, row("a.jpg"))
    assert isinstance(caught.value, PictureError) != passing


def test_a_zip_that_is_another_than_was_scanned_is_refused(tmp_path):
    rows = zipped(tmp_path / "a.zip", **{"a.jpg": b"aaaa", "b.jpg": b"bbbb"})
    zipped(tmp_path / "a.zip", **{"c.jpg": b"aaaa", "b.jpg": b"bbbb"})
    with pytest.raises(PictureError, match=r"a\.zip/a\.jpg: is not where the records say"):
        read_picture(tmp_path, rows["a.jpg"])
    assert read_picture(tmp_path, rows["b.jpg"]) == b"bbbb"


def test_damage_inside_a_zip_is_seen(tmp_path):
    rows = zipped(tmp_path / "a.zip", **{"a.jpg": bytes(range(256)) * 4, "b.jpg": b"b" * 99})
    data = bytearray((tmp_path / "a.zip").read_bytes())
    data[60] ^= 0x55
    (tmp_path / "a.zip").write_bytes(data)
    with pytest.raises(PictureError, match="damaged inside its zip"):
        read_picture(tmp_path, rows["a.jpg"])
    assert read_picture(tmp_path, rows["b.jpg"]) == b"b" * 99
    (tmp_path / "a.zip").write_bytes(data[:200])
    with pytest.raises(PictureError, match="cut short"):
        read_picture(tmp_path, rows["b.jpg"])


def test_nothing_swells_beyond_the_limit(tmp_path, monkeypatch):
    rows = zipped(tmp_path / "a.zip", **{"a.jpg": bytes(5000)})
    (tmp_path / "b.jpg").write_bytes(bytes(5000))
    monkeypatch.setattr(records, "MAX_BYTES", 4000)
    for some in (rows["a.jpg"], row("b.jpg"), row("b.jpg", "x", 0, 5000)):
        with pytest.raises(PictureError, match="the limit is"):
            read_picture(tmp_path, some)
    monkeypatch.setattr(records, "MAX_BYTES", 5000)
    assert read_picture(tmp_path, rows["a.jpg"]) == bytes(5000)


def test_a_size_or_offset_that_can_not_be_is_refused(tmp_path):
    (tmp_path / "a.tar").write_bytes(bytes(1000))
    for offset, size in ((-1, 10), (0, 1001), (1000, 1), (0, -1)):
        with pytest.raises(PictureError, match=r"a\.tar/b\.jpg"):
            read_picture(tmp_path, row("a.tar", "b.jpg", offset, size))
    # An entry whose header is all there is.
    (tmp_path / "a.zip").write_bytes(struct.pack("<4s5H3L2H", b"PK\3\4", 0, 0, 9, 0, 0, 0, 0, 0, 1, 0) + b"a")
    with pytest.raises(PictureError, match="damaged inside its zip"):
        read_picture(tmp_path, row("a.zip", "a", 0, 0))


def test_threads_and_forks_read_alike(tmp_path):
    rows = zipped(tmp_path / "a.zip", **{f"{n}.jpg": bytes([n]) * 3000 for n in range(40)})
    expected = [bytes([n]) * 3000 for n in range(40)]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(lambda some: read_picture(tmp_path, some), rows.values())) == expected
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        assert pool.starmap(read_picture, [(tmp_path, some) for some in rows.values()]) == expected
