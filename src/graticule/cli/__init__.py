"""The command line. Every command parses, calls the library and presents; none has logic of its own.

Exit status: 0 all answered, 1 some pictures refused, 2 wrong use or a model that can't be used, 3 a fault in
Graticule itself, 130 interrupted.

Only typer is imported here: torch and the like wait inside the commands, so that `--help` comes at once.
"""

from __future__ import annotations

import io
import logging
import os
import sys
import traceback
import warnings
from collections.abc import Sequence
from typing import Annotated

import typer

from graticule.cli import (
    align,
    calibrate,
    data,
    demo,
    evaluate,
    extract,
    fit,
    index,
    locate,
    models,
    orbit,
    review,
    reward,
    serve,
    train,
    variogram,
    write,
)
from graticule.errors import GraticuleError
from graticule.printable import printable

__all__ = ["app", "main"]

app = typer.Typer(
    name="graticule",
    help="Where on Earth was this picture taken, and how sure are we?",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command()(locate.locate)
app.command()(write.write)
app.command()(serve.serve)
app.command()(review.review)
app.command()(evaluate.evaluate)
app.add_typer(models.app, name="models")
app.add_typer(orbit.app, name="orbit")
app.add_typer(data.app, name="data")
app.add_typer(train.app, name="train")
app.command()(extract.extract)
app.command()(index.index)
app.command()(align.align)
app.command()(fit.fit)
app.command()(reward.reward)
app.command()(calibrate.calibrate)
app.command()(variogram.variogram)
app.command()(demo.demo)


def _show_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import PackageNotFoundError, version

        try:
            typer.echo(f"graticule {version('graticule')}")
        except PackageNotFoundError:
            typer.echo("graticule, run from its source without being installed")
        raise typer.Exit


@app.callback()
def _options(
    *,
    debug: Annotated[
        bool, typer.Option("--debug", help="Show the traceback of an unexpected error.")
    ] = False,
    version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit."),
    ] = False,
) -> None:
    """Declares what may stand before a command; `main` and the callback act on it."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line, and leave with its exit status.

    Args:
        arguments: What follows the program's name; `sys.argv` if not given.

    Raises:
        SystemExit: Always.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in given or bool(os.environ.get("GRATICULE_DEBUG"))
    _prepare_streams()
    try:
        # --debug is taken wherever it stands; typer alone would take it before the command only.
        app([argument for argument in given if argument != "--debug"], prog_name="graticule")
    except GraticuleError as error:
        _fail(str(error), 2, debug=debug)
    except Exception as error:  # the last resort: a person sees a sentence, not a traceback
        message = f"unexpected {type(error).__name__}: {error}"
        hint = "" if debug else " (a fault in Graticule: run again with --debug, and report what it shows)"
        _fail(message + hint, 3, debug=debug)


def _fail(message: str, status: int, *, debug: bool) -> None:
    if debug:
        traceback.print_exc()
    print(f"graticule: {printable(message)}", file=sys.stderr)
    raise SystemExit(status) from None


def _prepare_streams() -> None:
    """File names need not be valid text, and a terminal need not speak UTF-8: neither may stop an answer."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    # What Pillow warns of, a picture too large or damaged, is refused in words of our own.
    warnings.filterwarnings("ignore", module=r"PIL\.")
    logging.getLogger("PIL").addHandler(logging.NullHandler())
