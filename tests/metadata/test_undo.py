"""Undo: back to the byte, and hands off what someone else changed since."""

import json
import resource
import signal

import pytest

from graticule.errors import InputError
from graticule.metadata.decide import Rules
from graticule.metadata.journal import Change, Journal, JournalError, journal_path
from graticule.metadata.results import read_results
from graticule.metadata.run import Manner, write
from graticule.metadata.undo import undo
from graticule.metadata.xmp import EMPTY


@pytest.fixture
def journal(tmp_path, save_picture, line, save_results):
    """Of two sidecars, of which b.jpg.xmp had been there."""
    for name in ("a.jpg", "b.jpg"):
        save_picture(tmp_path / name)
    (tmp_path / "b.jpg.xmp").write_bytes(EMPTY)
    read = read_results(save_results(tmp_path / "results.jsonl", [line("a.jpg"), line("b.jpg")]))
    outcomes = list(write(read, Rules(), Manner(tmp_path), dry_run=False))
    assert [outcome.action for outcome in outcomes] == ["write", "write"]
    return journal_path(read.path)


def test_what_someone_changed_since_is_kept(journal, tmp_path):
    mine = (tmp_path / "b.jpg.xmp").read_bytes()
    (tmp_path / "b.jpg.xmp").write_bytes(mine + b"\n")
    outcomes = {outcome.path: outcome for outcome in undo(journal)}
    assert outcomes[str(tmp_path / "a.jpg.xmp")].action == "undone"
    changed = outcomes[str(tmp_path / "b.jpg.xmp")]
    assert (changed.action, changed.why) == (
        "refuse",
        "was changed since by someone else; it is not touched.",
    )
    assert (tmp_path / "b.jpg.xmp").read_bytes() == mine + b"\n"
    assert journal.exists(), "something is left to be undone"
    (tmp_path / "b.jpg.xmp").write_bytes(mine)
    assert [outcome.action for outcome in undo(journal)] == ["undone"]
    assert (tmp_path / "b.jpg.xmp").read_bytes() == EMPTY
    assert not journal.exists()


def test_what_someone_deleted_or_linked_is_not_brought_back(journal, tmp_path):
    (tmp_path / "a.jpg.xmp").unlink()
    (tmp_path / "b.jpg.xmp").rename(tmp_path / "elsewhere")
    (tmp_path / "b.jpg.xmp").symlink_to(tmp_path / "elsewhere")
    [linked] = undo(journal)
    assert linked.action == "refuse"
    assert not (tmp_path / "a.jpg.xmp").exists()
    assert (tmp_path / "elsewhere").read_bytes() != EMPTY


def test_while_the_disk_is_away_nothing_is_forgotten(tmp_path, save_picture, line, save_results):
    """A sidecar that was new is not as before because the folder it lies in is not there."""
    save_picture(tmp_path / "disk" / "a.jpg")
    read = read_results(save_results(tmp_path / "results.jsonl", [line("disk/a.jpg")]))
    list(write(read, Rules(), Manner(tmp_path), dry_run=False))
    (tmp_path / "disk").rename(tmp_path / "away")
    [refused] = undo(journal_path(read.path))
    assert (refused.action, refused.why.partition(".")[0]) == ("refuse", "its folder is not there")
    (tmp_path / "away").rename(tmp_path / "disk")
    assert [gone.action for gone in undo(journal_path(read.path))] == ["undone"]
    assert [path.name for path in (tmp_path / "disk").iterdir()] == ["a.jpg"]


def test_a_torn_last_line_is_no_harm(journal, tmp_path):
    whole = journal.read_bytes()
    journal.write_bytes(whole + b'{"change": {"tar')
    with Journal.open(journal, create=False) as opened:
        opened.temporary(tmp_path / ".x.graticule.tmp")
    added = json.dumps({"temporary": str(tmp_path / ".x.graticule.tmp")}).encode()
    assert journal.read_bytes() == whole + added + b"\n"
    assert len(list(undo(journal))) == 2


@pytest.mark.parametrize(
    "wrong",
    [
        b"{}\n",
        b"[1]\n",
        b'"run"\n',
        b'{"run": {"format": 2}}\n',
        b'{"run": {}}\n',
        b'{"change": {"target": "a"}}\n',
        b'{"change": {"target": {}, "before": null, "after": "a"}}\n',
        b'{"change": {"target": "a", "before": "a", "after": "b", "inserted": ["x", 1]}}\n',
        b'{"change": {"target": "a", "before": "a", "after": "b", "inserted": [Infinity, 1]}}\n',
        b'{"change": ["a"]}\n',
        b"[" * 100_000 + b"\n",
        b'{"else": 1}\n',
    ],
)
def test_what_is_no_journal_is_refused_whole(journal, tmp_path, wrong, snapshot):
    journal.write_bytes(journal.read_bytes() + wrong + b'{"temporary": "x"}\n')
    before = snapshot(tmp_path)
    with pytest.raises(InputError, match=r"line 4: is no line of a journal"):
        list(undo(journal))
    assert snapshot(tmp_path) == before


def test_a_journal_deletes_no_file_that_is_no_temporary(journal, tmp_path):
    (tmp_path / ".a.graticule.tmp").touch()
    with journal.open("a") as stream:
        for name in ("a.jpg", ".a.graticule.tmp"):
            stream.write(json.dumps({"temporary": str(tmp_path / name)}) + "\n")
    list(undo(journal))
    assert (tmp_path / "a.jpg").exists()
    assert not (tmp_path / ".a.graticule.tmp").exists()


def test_what_a_kill_left_of_a_copy_of_the_original_goes(journal, tmp_path):
    """Where a file can have but one name, the backup is written like any other file."""
    change = Change(str(tmp_path / "c.jpg"), "0", "0", backup=str(tmp_path / "c.jpg_original"))
    with Journal.open(journal, create=False) as opened:
        opened.change(change)
    (tmp_path / ".c.jpg_original.graticule.tmp").touch()
    with Journal.open(journal, create=False) as opened:
        opened.sweep()
    assert not (tmp_path / ".c.jpg_original.graticule.tmp").exists()


def test_one_run_at_a_time(journal):
    with Journal.open(journal, create=False), pytest.raises(InputError, match="another run"):
        list(undo(journal))


def test_there_must_be_a_journal(tmp_path):
    with pytest.raises(InputError, match=r"none\.jsonl: no such journal"):
        list(undo(tmp_path / "none.jsonl"))


def test_an_undo_that_was_killed_at_its_very_end_leaves_no_lock(tmp_path):
    (tmp_path / ".none.jsonl.lock").touch()
    with pytest.raises(InputError, match="no such journal"):
        list(undo(tmp_path / "none.jsonl"))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "content", [b"", b'{"type": "FeatureCollection"}', b"\xff\xd8 a picture", b"one line\n"]
)
def test_another_file_named_by_mistake_is_neither_cut_nor_deleted(tmp_path, content):
    mine = tmp_path / "mine.json"
    mine.write_bytes(content)
    with pytest.raises(InputError, match=r"mine\.json: (is no journal|no such journal, or an empty one)"):
        list(undo(mine))
    assert mine.read_bytes() == content


@pytest.mark.parametrize("left", [b"", b'{"r', b'{"run": {"for'])
def test_a_journal_whose_first_line_was_torn_is_begun_anew(tmp_path, left):
    path = tmp_path / "a.write-journal.jsonl"
    path.write_bytes(left)
    with Journal.open(path, create=True) as opened:
        opened.start(results="a")
    assert json.loads(path.read_bytes())["run"]["results"] == "a"


def test_a_disk_too_full_for_the_journal_is_an_error_of_its_own(tmp_path):
    path, limit = tmp_path / "a.write-journal.jsonl", resource.getrlimit(resource.RLIMIT_FSIZE)
    change = Change(target="a" * 5000, before=None, after="b")
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, limit[1]))
    try:
        with Journal.open(path, create=True) as opened:
            opened.start(results="a")
            with pytest.raises(JournalError, match="File too large"):
                opened.change(change)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
        signal.signal(signal.SIGXFSZ, handler)
    with Journal.open(path, create=False) as opened:
        assert opened.changes == []
