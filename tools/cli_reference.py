"""Write the reference of the command line from the commands themselves.

    python tools/cli_reference.py     # prints it as Markdown

`make docs` puts it on the site; nothing of it is kept by hand.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import typer

from graticule.cli import app

__all__ = ["commands", "reference"]

INTRODUCTION = """# Command line

What `graticule COMMAND --help` says of every command, on one page, written from the commands themselves when this site
is built. An option whose help says *repeat it* may be given several times.

Exit status: 0 all answered, 1 some pictures refused, 2 wrong use or a model that can't be used, 3 a fault in Graticule
itself, 130 interrupted.
"""


def reference() -> str:
    """The page, as Markdown."""
    parts = [INTRODUCTION]
    for words, command in commands():
        parts += [f"{'#' * (1 + len(words))} {' '.join(words)}", *_described(words, command)]
    return "\n".join(parts)


def commands() -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every command and group: the words that call it, `graticule` first, and what typer made of it."""
    yield from _below(("graticule",), typer.main.get_command(app))


def _below(words: tuple[str, ...], command: Any) -> Iterator[tuple[tuple[str, ...], Any]]:
    yield words, command
    for name, child in getattr(command, "commands", {}).items():
        yield from _below((*words, name), child)


def _described(words: tuple[str, ...], command: Any) -> list[str]:
    """Usage, what it does, and a table of its arguments and options."""
    context = typer.Context(command, info_name=words[-1])
    usage = " ".join((*words, *command.collect_usage_pieces(context)))
    rows = [_row(parameter, context) for parameter in command.params]
    lines = ["", f"    {usage}", "", _markup(command.help or ""), ""]
    if any(rows):
        lines += ["| argument or option | meaning |", "|---|---|"]
        lines += [f"| `{name}` | {_cell(_markup(told))} |" for name, told in filter(None, rows)]
    return [*lines, ""]


def _row(parameter: Any, context: typer.Context) -> tuple[str, str] | None:
    """What stands in the table; None of what help hides. An argument's type says nothing that its name does not."""
    record = parameter.get_help_record(context)
    if record is None or parameter.param_type_name != "argument":
        return record
    return record[0].split(" <")[0], record[1]


def _markup(text: str) -> str:
    """Rich's [b]words[/b] as Markdown's **words**."""
    return re.sub(r"\[/?b\]", "**", text)


def _cell(text: str) -> str:
    """Prose that may hold bars; in code, MkDocs takes them as they are."""
    return " ".join(text.split()).replace("|", "\\|")


if __name__ == "__main__":
    print(reference(), end="")
