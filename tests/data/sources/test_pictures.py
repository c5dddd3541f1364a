"""Pictures are found wherever they lie, and a damaged container takes no other with it."""

import io
import os
import tarfile
import zipfile

import pytest

from graticule.data.records import read_picture
from graticule.data.sources.pictures import list_pictures

LONG = "folder/" + "n" * 180 + ".jpg"


def make_zip(path, *names, method=zipfile.ZIP_STORED):
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", method) as file:
        for name in names:
            file.writestr(name, name.encode() * 3)


def make_tar(path, *names, form=tarfile.PAX_FORMAT):
    with tarfile.open(path, "w", format=form) as file:
        for name in names:
            data = name.encode(errors="surrogateescape") * 3
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            file.addfile(entry, io.BytesIO(data))


def found(root, **options):
    table, problems = list_pictures(root, **options)
    return table.to_pylist(), list(problems)


def names(rows):
    return [row["member"] or row["container"] for row in rows]


def test_files_then_containers_sorted_and_readable(tmp_path):
    for path in ("z.JPG", "b/a.jpeg", "b/c/d.png"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(path.encode() * 3)
    make_zip(tmp_path / "b" / "two.zip", "00/y.jpg", "x.jpg", method=zipfile.ZIP_DEFLATED)
    make_zip(tmp_path / "b" / "one.ZIP", "é.jpg")
    make_tar(tmp_path / "a.tar", "m/p.jpg", LONG, "ü.jpg")
    rows, problems = found(tmp_path)
    assert problems == []
    assert names(rows) == [
        "b/a.jpeg", "b/c/d.png", "z.JPG", "m/p.jpg", LONG, "ü.jpg", "é.jpg", "00/y.jpg", "x.jpg"
    ]  # fmt: skip
    for row, name in zip(rows, names(rows), strict=True):
        assert read_picture(tmp_path, row) == name.encode() * 3
    assert names(found(tmp_path, containers=False)[0]) == names(rows)[:3]
    assert names(found(tmp_path, below="b/c")[0]) == ["b/c/d.png"]


@pytest.mark.parametrize("form", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT])
def test_tars_of_any_form_have_long_names(tmp_path, form):
    make_tar(tmp_path / "a.tar", "a.jpg", LONG, "b.jpg", form=form)
    rows, problems = found(tmp_path)
    assert problems == []
    assert [read_picture(tmp_path, row) for row in rows] == [n.encode() * 3 for n in ("a.jpg", LONG, "b.jpg")]


def test_what_is_no_picture_is_passed_over(tmp_path):
    make_zip(tmp_path / "a.zip", "notes.txt", "__MACOSX/._b.jpg", "folder.jpg/", "b.jpg")
    with tarfile.open(tmp_path / "a.tar", "w") as file:
        link = tarfile.TarInfo("link.jpg")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        file.addfile(link)
    (tmp_path / ".hidden.jpg").touch()
    (tmp_path / ".folder").mkdir()
    (tmp_path / ".folder" / "c.jpg").touch()
    (tmp_path / "list.csv").touch()
    (tmp_path / "up").symlink_to(tmp_path.parent)
    rows, problems = found(tmp_path)
    assert names(rows) == ["b.jpg"]
    assert problems == []


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: b"",
        lambda data: b"<html>not found</html>",
        lambda data: data[: len(data) // 2],
        lambda data: data[:-30] + bytes(30),
        lambda data: data.replace(b"PK\x01\x02", b"PK\x01\x03", 1),
    ],
)
def test_a_damaged_zip_is_reported_and_the_others_go_on(tmp_path, damage):
    for name in ("a", "b", "c"):
        make_zip(tmp_path / f"{name}.zip", f"{name}1.jpg", f"{name}2.jpg")
    path = tmp_path / "b.zip"
    path.write_bytes(damage(path.read_bytes()))
    rows, [problem] = found(tmp_path)
    assert names(rows) == ["a1.jpg", "a2.jpg", "c1.jpg", "c2.jpg"]
    assert problem.where.startswith("b.zip (")
    assert problem.what == "the zip is damaged or cut short; copy it again from where it came"


def test_members_of_a_zip_that_can_not_be_read_are_reported(tmp_path):
    make_zip(tmp_path / "a.zip", "a.jpg", method=zipfile.ZIP_LZMA)
    make_zip(tmp_path / "b.zip", "b.jpg")
    data = bytearray((tmp_path / "b.zip").read_bytes())
    data[data.index(b"PK\x01\x02") + 8] |= 1
    (tmp_path / "b.zip").write_bytes(data)
    rows, problems = found(tmp_path)
    assert rows == []
    assert [problem.where for problem in problems] == ["a.zip/a.jpg", "b.zip/b.jpg"]
    assert {problem.what for problem in problems} == {"encrypted, or packed neither as stored nor deflated"}


BLOCK = 512


@pytest.mark.parametrize(
    ("damage", "left"),
    [
        (lambda data: b"", 0),
        (lambda data: b"<html>not found</html>" * 99, 0),
        (lambda data: data[: 3 * BLOCK + 5], 1),
        (lambda data: data[: 4 * BLOCK], 2),
        (lambda data: data[: 2 * BLOCK] + b"\xff" * BLOCK + data[3 * BLOCK :], 1),
    ],
    ids=["empty", "a web page", "cut inside a picture", "cut between two", "a header overwritten"],
)
def test_of_a_damaged_tar_what_comes_before_the_damage_is_used(tmp_path, damage, left):
    make_tar(tmp_path / "a.tar", "a.jpg", "b.jpg", "c.jpg", form=tarfile.USTAR_FORMAT)
    make_tar(tmp_path / "b.tar", "d.jpg")
    path = tmp_path / "a.tar"
    path.write_bytes(damage(path.read_bytes()))
    rows, [problem] = found(tmp_path)
    assert names(rows) == [*["a.jpg", "b.jpg", "c.jpg"][:left], "d.jpg"]
    assert problem.where.startswith("a.tar (")
    assert problem.what == "the tar is damaged or cut short; copy it again from where it came"


@pytest.mark.parametrize("ending", [".tar.gz", ".tgz", ".tar.xz"])
def test_a_packed_tar_is_reported(tmp_path, ending):
    make_tar(tmp_path / f"a{ending}", "a.jpg")
    rows, [problem] = found(tmp_path)
    assert rows == []
    assert problem.what == "a packed tar can't be read in place; unpack it to a plain .tar"


def test_names_that_are_no_text_are_reported(tmp_path):
    try:
        (tmp_path / "\udcff.jpg").touch()
    except OSError:
        pytest.skip("the file system takes no such names")
    make_tar(tmp_path / "a.tar", "\udcff.jpg", "a.jpg", form=tarfile.GNU_FORMAT)
    rows, problems = found(tmp_path)
    assert names(rows) == ["a.jpg"]
    assert [problem.what for problem in problems] == ["the picture's name is not UTF-8; rename it"] * 2


def test_a_folder_that_may_not_be_entered_is_reported(tmp_path):
    if os.geteuid() == 0:
        pytest.skip("root may enter any")
    (tmp_path / "closed").mkdir(mode=0)
    _, [problem] = found(tmp_path)
    assert problem.where == "closed"


def test_a_tar_is_listed_without_keeping_its_members(tmp_path, monkeypatch):
    kept = []
    read = tarfile.TarFile.next
    monkeypatch.setattr(tarfile.TarFile, "next", lambda tar: (kept.append(len(tar.members)), read(tar))[1])
    make_tar(tmp_path / "a.tar", *(f"{n}.jpg" for n in range(20)))
    assert len(found(tmp_path)[0]) == 20
    assert max(kept) <= 1


def cut(path, sizes, names):
    """Cut a file into parts of so many bytes, the rest in the last, and remove it."""
    data, start = path.read_bytes(), 0
    for size, name in zip([*sizes, len(data)], names, strict=True):
        (path.parent / name).write_bytes(data[start : start + size])
        start += size
    path.unlink()


@pytest.mark.parametrize(
    "names",
    [
        ["mp-16-images00", "mp-16-images01", "mp-16-images02", "mp-16-images03"],
        ["images.tar.aa", "images.tar.ab", "images.tar.ac", "images.tar.ad"],
    ],
)
def test_a_tar_in_parts_is_read_as_one(tmp_path, names):
    members = [f"m/{'n' * 600}{number}.jpg" for number in range(9)]
    make_tar(tmp_path / "whole.tar", *members, form=tarfile.PAX_FORMAT)
    whole, _ = found(tmp_path)
    (tmp_path / "set").mkdir()
    (tmp_path / "whole.tar").rename(tmp_path / "set/whole.tar")
    # Inside a header, inside a picture, and between two blocks.
    cut(tmp_path / "set/whole.tar", [5 * BLOCK + 100, whole[4]["offset"] - 5 * BLOCK, 7 * BLOCK], names)
    rows, problems = found(tmp_path / "set")
    assert problems == []
    assert rows == [row | {"container": names[0]} for row in whole]
    for row, name in zip(rows, members, strict=True):
        assert read_picture(tmp_path / "set", row) == name.encode() * 3


def test_of_a_tar_in_parts_what_comes_before_a_missing_one_is_used(tmp_path):
    make_tar(tmp_path / "a.tar", *(f"{n}.jpg" for n in range(9)), form=tarfile.USTAR_FORMAT)
    cut(tmp_path / "a.tar", [4 * BLOCK, 4 * BLOCK], ["a.tar.00", "a.tar.01", "a.tar.02"])
    (tmp_path / "a.tar.01").unlink()
    rows, [problem] = found(tmp_path)
    assert names(rows) == ["0.jpg", "1.jpg"]
    assert problem.what == "the tar is damaged or cut short; copy it again from where it came"


def test_a_file_of_something_else_is_no_part(tmp_path):
    (tmp_path / "notes00").write_text("no tar")
    (tmp_path / "empty.aa").touch()
    assert found(tmp_path) == ([], [])


def test_it_is_told_how_many_containers_are_listed(tmp_path):
    make_zip(tmp_path / "a.zip", "a.jpg")
    make_tar(tmp_path / "b.tar", "b.jpg")
    told = []
    list_pictures(tmp_path, progress=lambda done, total: told.append((done, total)))
    assert told == [(1, 2), (2, 2)]
