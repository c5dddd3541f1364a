"""No name of a file commands a terminal."""

import io
import re
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from graticule.cli import main
from graticule.errors import PictureError
from graticule.output import results_table
from graticule.prediction import Prediction, Refusal
from graticule.printable import printable

HOSTILE = "\x1b]0;title\x07\x1b[2J\x9b31m\u202egpj.\x08\x7f.png"
COMMANDS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")


@given(st.text())
def test_what_commands_is_written_out_and_the_rest_stays(text):
    shown = printable(text)
    assert not COMMANDS.search(shown)
    assert COMMANDS.sub("", text) == text or shown != text
    assert printable(shown) == shown


def test_ordinary_names_stay_as_they_are():
    for name in ("a.png", "Zürich, 東京 (1).jpg", "إسطنبول.jpg", "\udce9.png", "two\nlines\tand more"):
        assert printable(name) == name


def test_a_table_shows_it_written_out():
    console = Console(width=200, file=io.StringIO())
    answers = [Prediction(HOSTILE, 0, 0, 1, (), "orbit"), Refusal(HOSTILE, PictureError("no"))]
    console.print(results_table(answers, model="orbit"))
    shown = console.file.getvalue()
    assert not COMMANDS.search(shown)
    assert shown.count("\\x1b]0;title") == 2


@pytest.mark.skipif(sys.platform == "win32", reason="its files can't be called so")
@pytest.mark.parametrize("format", [(), ("--format", "table")], ids=["as a file", "as a batch"])
def test_messages_of_the_command_line_write_it_out(tmp_path, capsys, format):
    (tmp_path / HOSTILE).write_text("no picture")
    for arguments in (
        ("locate", tmp_path, "--model", "orbit", *format),
        ("locate", "a.png", "--model", HOSTILE),
    ):
        with pytest.raises(SystemExit):
            main([str(argument) for argument in arguments])
        shown = capsys.readouterr()
        assert not COMMANDS.search(shown.out + shown.err), shown
        assert "\\x1b]0;title" in shown.err
