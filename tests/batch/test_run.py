"""A batch goes on where it was, with the same results, or says why it can't."""

import json
import os
from dataclasses import replace

import pytest

from graticule.batch import run
from graticule.batch.pictures import Listed, listed
from graticule.batch.run import journal_of, run_batch
from graticule.earth.regions import parse_region
from graticule.errors import ConfigError, InputError
from graticule.images.address import Address
from graticule.lock import locked
from graticule.store import save_folder


@pytest.fixture(autouse=True)
def small_groups(monkeypatch):
    monkeypatch.setattr(run, "GROUP", 4)


@pytest.fixture
def output(tmp_path):
    return tmp_path / "out.jsonl"


def stop(batch, output, *, at):
    batch.locator.stops_at = at
    with pytest.raises(KeyboardInterrupt):
        run_batch(batch, output, "jsonl")
    batch.locator.stops_at = None
    batch.locator.asked.clear()


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_run_that_was_stopped_goes_on_and_ends_the_same(batch_of, output, tmp_path):
    batch = batch_of(10)
    run_batch(batch, tmp_path / "whole.jsonl", "jsonl")
    stop(batch, output, at=9)
    assert not output.exists()
    said, told = [], []
    done = run_batch(batch, output, "jsonl", report=said.append, progress=lambda *done: told.append(done))
    assert done == 2
    assert said == ["continuing: 8 of 10 are done"]
    assert batch.locator.asked == [8, 9]
    assert told[0] == (8, 10)
    assert output.read_bytes() == (tmp_path / "whole.jsonl").read_bytes()
    assert {path.name for path in tmp_path.iterdir()} == {"out.jsonl", "whole.jsonl"}


def test_records_tell_place_circles_model_and_file(batch_of, gazetteer, output):
    batch = batch_of(10, places=gazetteer)
    batch.locator.refused = {3}
    run_batch(batch, output, "jsonl")
    assert gazetteer.calls == 3, "one call a group"
    written = lines(output)
    assert written[9]["place"]["text"] == "at 1.3"
    assert written[9]["circles_km"] == {"50": 50, "90": 90}
    assert written[9]["model_digest"] == "abc"
    assert written[9]["file"] == {"bytes": 9, "modified": 0.5}
    assert set(written[3]) == {"path", "error", "file"}


@pytest.mark.parametrize("cut", [1, 30, 200])
def test_a_torn_end_is_dropped_with_its_group(batch_of, output, tmp_path, cut):
    batch = batch_of(10)
    run_batch(batch, tmp_path / "whole.jsonl", "jsonl")
    stop(batch, output, at=9)
    journal = journal_of(output)
    os.truncate(journal, journal.stat().st_size - cut)
    run_batch(batch, output, "jsonl")
    assert batch.locator.asked == list(range(4, 10))
    assert output.read_bytes() == (tmp_path / "whole.jsonl").read_bytes()


def test_what_a_power_cut_left_in_the_middle_ends_what_is_done(batch_of, output):
    batch = batch_of(10)
    stop(batch, output, at=9)
    journal = journal_of(output)
    content = journal.read_bytes().split(b"\n")
    content[6] = bytes(len(content[6]))
    journal.write_bytes(b"\n".join(content))
    run_batch(batch, output, "jsonl")
    assert batch.locator.asked == list(range(4, 10))
    assert [record["file"]["bytes"] for record in lines(output)] == list(range(10))


def test_refusals_stay_unless_they_are_asked_about_again(batch_of, output, tmp_path):
    batch = batch_of(12)
    run_batch(batch, tmp_path / "whole.jsonl", "jsonl")
    batch.locator.refused = {1, 2, 5}
    stop(batch, output, at=9)
    batch.locator.refused = {5}
    stop(batch, output, at=9)
    run_batch(batch, output, "jsonl", retry_refused=True)
    assert batch.locator.asked == [1, 2, 5, 8, 9, 10, 11]
    assert [number for number, record in enumerate(lines(output)) if "error" in record] == [5]
    stop(batch, output, at=9)
    batch.locator.refused = set()
    run_batch(batch, output, "jsonl")
    assert [number for number, record in enumerate(lines(output)) if "error" in record] == [5]


CHANGES = {
    "model_digest": {"model_digest": "other"},
    "top_k": {"options": {"top_k": 3}},
    "language": {"settings": {"language": "de"}},
}


@pytest.mark.parametrize("name", CHANGES)
def test_another_model_or_option_is_refused_by_name(batch_of, output, name):
    given = {"options": {"top_k": 5}, "settings": {"language": "en"}}
    stop(batch_of(10, **given), output, at=9)
    before = journal_of(output).read_bytes()
    with pytest.raises(ConfigError, match=rf"out\.jsonl\.part: .*{name} was .* now"):
        run_batch(batch_of(10, **(given | CHANGES[name])), output, "jsonl")
    assert journal_of(output).read_bytes() == before, "nothing is lost by asking"


def test_other_pictures_are_refused(batch_of, output):
    batch = batch_of(10)
    stop(batch, output, at=9)
    with pytest.raises(ConfigError, match="pictures was 10 and is 11 now"):
        run_batch(batch_of(11), output, "jsonl")
    changed = replace(batch, pictures=[*batch.pictures[:9], Listed(batch.pictures[9].path, 9, 0.75)])
    with pytest.raises(ConfigError, match="a picture has changed"):
        run_batch(changed, output, "jsonl")


def test_a_region_in_a_file_counts_by_its_content(batch_of, output, tmp_path):
    region = tmp_path / "region.geojson"
    region.write_text("{}")
    batch = batch_of(10, options={"within": [str(region)]})
    stop(batch, output, at=9)
    region.write_text("{ }")
    with pytest.raises(ConfigError, match="within was"):
        run_batch(batch, output, "jsonl")


def test_a_region_made_before_counts_too(batch_of, output):
    stop(batch_of(10, options={"within": parse_region("100 km around 46,8")}), output, at=9)
    with pytest.raises(ConfigError, match="within was"):
        run_batch(batch_of(10, options={"within": parse_region("100 km around 46,9")}), output, "jsonl")
    batch = batch_of(10, options={"within": parse_region("100 km around 46,8")})
    run_batch(batch, output, "jsonl")
    assert batch.locator.asked == [8, 9]


@pytest.mark.parametrize("content", ["my notes\n", "[" * 100_000 + "\n"])
def test_what_is_no_journal_is_left_alone(batch_of, output, content):
    journal_of(output).write_text(content)
    with pytest.raises(InputError, match=r"out\.jsonl\.part: is not what"):
        run_batch(batch_of(3), output, "jsonl")
    assert journal_of(output).read_text() == content


def test_a_record_nested_too_deep_is_none(batch_of, output):
    batch = batch_of(10)
    stop(batch, output, at=5)
    with journal_of(output).open("a") as journal:
        journal.write("[" * 100_000 + "\n")
    run_batch(batch, output, "jsonl")
    assert batch.locator.asked == [4, 5, 6, 7, 8, 9]


def test_two_runs_do_not_write_one_output(batch_of, output, tmp_path):
    with locked(tmp_path, ".out.jsonl.lock"), pytest.raises(InputError, match=r"out\.jsonl: another run"):
        run_batch(batch_of(3), output, "jsonl")
    run_batch(batch_of(3), output, "jsonl")


def test_what_a_person_reviewed_is_not_written_over(batch_of, output):
    run_batch(batch_of(3), output, "jsonl")
    run_batch(batch_of(3), output, "jsonl")
    output.write_text(output.read_text() + '{"path": "x", "review": {"status": "confirmed"}}\n')
    reviewed = output.read_text()
    with pytest.raises(InputError, match="holds what a person said"):
        run_batch(batch_of(3), output, "jsonl")
    assert output.read_text() == reviewed


def test_decisions_beside_an_output_are_not_left_to_other_answers(batch_of, output, tmp_path):
    run_batch(batch_of(3), output, "jsonl")
    decisions, before = tmp_path / "out.review.jsonl", output.read_bytes()
    decisions.write_text('{"index": 0, "path": "0.jpg", "review": {"status": "confirmed"}}\n')
    with pytest.raises(InputError, match=r"out\.review\.jsonl: is what a person said"):
        run_batch(batch_of(4), output, "jsonl")
    run_batch(batch_of(4), tmp_path / "out.csv", "csv")
    assert output.read_bytes() == before


def test_what_is_reviewed_while_a_run_goes_on_is_kept_and_so_are_its_answers(batch_of, output, tmp_path):
    run_batch(batch_of(5), output, "jsonl")
    batch, before = batch_of(5), output.read_bytes()
    decisions = tmp_path / "out.review.jsonl"
    with pytest.raises(InputError, match="a person said"):
        run_batch(batch, output, "jsonl", progress=lambda *done: decisions.write_text("{}\n"))
    assert output.read_bytes() == before
    decisions.unlink()
    batch.locator.asked.clear()
    run_batch(batch, output, "jsonl")
    assert batch.locator.asked == []


def test_temporaries_of_killed_runs_are_swept(batch_of, output, tmp_path):
    for name in (".out.jsonl.12.tmp", ".out.jsonl.part.12.tmp", ".other.jsonl.12.tmp"):
        (tmp_path / name).touch()
    run_batch(batch_of(3), output, "jsonl")
    assert {path.name for path in tmp_path.iterdir()} == {"out.jsonl", ".other.jsonl.12.tmp"}


def test_what_comes_after_fails_and_the_answers_are_kept(batch_of, output):
    def fails(records):
        assert len(list(records)) == 10
        raise InputError("the disk is full")

    batch = batch_of(10)
    with pytest.raises(InputError, match="full"):
        run_batch(batch, output, "jsonl", then=fails)
    batch.locator.asked.clear()
    run_batch(batch, output, "jsonl")
    assert batch.locator.asked == []


def test_a_pipe_is_written_to_as_it_is(batch_of, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    run_batch(batch_of(3), tmp_path / "pipe", "jsonl")
    assert len(os.read(reader, 1 << 16).splitlines()) == 3
    os.close(reader)
    assert {path.name for path in tmp_path.iterdir()} == {"pipe"}


def test_a_disk_that_came_loose_is_no_list_of_bad_pictures(batch_of, output):
    batch = batch_of(10)
    kept = batch.pictures[6].path
    kept.touch()
    stop(batch, output, at=5)
    batch.locator.refused = set(range(4, 10))
    kept.unlink()
    with pytest.raises(InputError, match=r"4\.jpg and the 3 pictures after it are gone"):
        run_batch(batch, output, "jsonl")
    kept.touch()
    batch.locator.refused = set()
    batch.locator.asked.clear()
    for number in (4, 9):
        batch.pictures[number].path.touch()
    run_batch(batch, output, "jsonl")
    assert batch.locator.asked == list(range(4, 10))


def test_a_batch_of_addresses_goes_on_and_keeps_their_secrets(batch_of, output, tmp_path):
    pictures = listed([Address(f"https://a.example/{number}?key=secret") for number in range(10)])
    batch = batch_of(10, pictures=pictures)
    batch.locator.refused = {4, 5, 6, 7}
    run_batch(batch, tmp_path / "whole.jsonl", "jsonl")
    stop(batch, output, at=9)
    assert "secret" not in journal_of(output).read_text()
    run_batch(batch, output, "jsonl")
    assert batch.locator.asked == [8, 9]
    assert output.read_bytes() == (tmp_path / "whole.jsonl").read_bytes()
    assert "secret" not in output.read_text()
    assert lines(output)[9]["path"].startswith("https://a.example/9?...")
    assert "file" not in lines(output)[9]


def test_no_pictures_are_no_fault(batch_of, output):
    run_batch(batch_of(0), output, "jsonl")
    assert output.read_text() == ""


def test_names_that_are_no_text_go_through(batch_of, output):
    batch = batch_of(1, pictures=[Listed(type(output)("\udce9.jpg"), None, None)])
    batch.locator.refused = {0}
    run_batch(batch, output, "jsonl")
    [record] = lines(output)
    assert record["path"] == "\udce9.jpg"
    assert "file" not in record


def test_a_model_is_told_from_others_by_its_files(tmp_path):
    for name in ("a", "b"):
        save_folder(tmp_path / name, {"name": name}, {})
    digests = [run.model_digest(tmp_path / name) for name in ("a", "b", "a")]
    assert digests[0] == digests[2] != digests[1]
