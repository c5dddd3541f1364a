"""What is finished and what is not are all there is."""

import json
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from graticule.errors import InputError
from graticule.extract.ledger import Ledger
from graticule.extract.plan import Plan, shard_path
from graticule.extract.shard import Shard


def plan(records, shard_rows):
    return Plan(
        source="toy",
        path="/",
        split=None,
        encoder="e",
        encoder_digest="0",
        width=1,
        records=records,
        shard_rows=shard_rows,
    )


@given(records=some.integers(1, 60), shard_rows=some.integers(1, 20), data=some.data())
@settings(max_examples=30, deadline=None)
def test_finished_and_unfinished_make_the_whole(records, shard_rows, data):
    wanted = plan(records, shard_rows)
    assert (wanted.shards - 1) * shard_rows < records <= wanted.shards * shard_rows
    with TemporaryDirectory() as scratch:
        folder = Path(scratch)
        ledger = Ledger(folder, wanted)
        order = data.draw(some.permutations(range(wanted.shards)))
        for number in order[: data.draw(some.integers(0, len(order)))]:
            rows = range(number * shard_rows, min((number + 1) * shard_rows, records))
            refused = [{"row": row, "id": str(row), "error": "no"} for row in rows if row % 5 == 0]
            shard_path(folder, number).touch()
            before = ledger.pictures
            ledger.add(Shard(number, len(rows) - len(refused), refused))
            assert ledger.pictures == before + len(rows)
        again = Ledger(folder, wanted)
        assert (again.unfinished, again.pictures, again.refused) == (
            ledger.unfinished,
            ledger.pictures,
            ledger.refused,
        )
        left = sum(min(shard_rows, records - number * shard_rows) for number in again.unfinished)
        assert again.pictures + left == records
        if (folder / "refused.jsonl").exists():
            rows = [json.loads(line)["row"] for line in (folder / "refused.jsonl").read_text().splitlines()]
            assert rows == sorted({row for row in rows if row % 5 == 0})


def test_refusals_of_a_shard_that_was_not_finished_are_forgotten(tmp_path):
    """A kill may fall between the two files."""
    (tmp_path / "refused.jsonl").write_text('{"row": 3, "id": "a", "error": "no"}\n')
    assert Ledger(tmp_path, plan(9, 4)).refused == 0
    shard_path(tmp_path, 0).touch()
    (tmp_path / "ledger.jsonl").write_text('{"shard": 0, "rows": 3, "refused": 1, "seconds": 1.0}\n')
    assert Ledger(tmp_path, plan(9, 4)).refused == 1


@pytest.mark.parametrize("line", ["{", "[]", '{"shard": "0"}', '{"rows": 3}'])
def test_a_damaged_line_is_named(tmp_path, line):
    (tmp_path / "ledger.jsonl").write_text(f'{{"shard": 9}}\n{line}\n')
    with pytest.raises(InputError, match=r"ledger\.jsonl, line 2: .* Delete the file"):
        Ledger(tmp_path, plan(9, 4))
