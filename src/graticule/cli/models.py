"""`graticule models`: which models there are, and how to get more."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["app"]

MB = 1_000_000

app = typer.Typer(help="The models that can answer; lists them where no command is given.")


@app.callback(invoke_without_command=True)
def _group(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        list_()


@app.command("list")
def list_() -> None:
    """List the models: those that are here, and those that can be fetched."""
    from rich.table import Table
    from rich.text import Text

    from graticule.cli.present import show_table
    from graticule.locator import list_models

    models = list_models()
    table = Table(header_style="bold", pad_edge=False, box=None)
    for heading in ("Model", "Knows", "Size", "Licence", ""):
        table.add_column(heading, justify="right" if heading == "Size" else "left")
    for model in models:
        state = "installed" if model.installed else "not installed"
        size = f"{'' if model.installed else 'about '}{megabytes(model.disk_bytes)}"
        table.add_row(Text(model.name, style="bold"), Text(model.domain), size, Text(model.licence), state)
    show_table(table)
    for model in models:
        if not model.installed:
            typer.echo(f"\nTo get {model.name}: graticule models pull {model.name}")


@app.command()
def pull(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Which model, as `graticule models` lists it.")],
    *,
    clip: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            exists=True,
            file_okay=False,
            help="A copy of CLIP on this machine, to be used instead.",
        ),
    ] = None,
    wheel: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            exists=True,
            dir_okay=False,
            help="The geoclip wheel, if it is on this machine already.",
        ),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Don't ask before fetching.")] = False,
) -> None:
    """Fetch a published model and install it; says beforehand what comes from where, and how large it is."""
    from rich.table import Table
    from rich.text import Text

    from graticule import pull as fetching
    from graticule.cli.present import show_table
    from graticule.cli.progress import progress

    plan = fetching.plan(name, clip=clip, wheel=wheel)
    if plan.installed:
        typer.echo(f"{name} is installed already: {plan.folder}")
        return
    table = Table(header_style="bold", pad_edge=False, box=None)
    for heading in ("What", "From", "Size", "Licence"):
        table.add_column(heading, justify="right" if heading == "Size" else "left", overflow="fold")
    for item in plan.items:
        table.add_row(Text(item.what), Text(str(item.source)), megabytes(item.bytes), Text(item.licence))
    show_table(table)
    typer.echo(f"\n{megabytes(plan.total_bytes)} to fetch. To be installed in {plan.folder}")
    if not yes:
        typer.confirm("Go on?", abort=True)
    with progress("Fetching, MB", total=plan.total_bytes // MB) as advance:
        folder = fetching.pull(
            plan, report=typer.echo, progress=lambda done, total: advance(done // MB, total // MB)
        )
    typer.echo(f"{name} is installed: {folder}")


def megabytes(size: int) -> str:
    """A size for people: `22 MB`."""
    return f"{size / MB:,.0f} MB"
