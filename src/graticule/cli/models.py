"""`graticule models`: which models there are."""

from __future__ import annotations

import typer

__all__ = ["app"]

app = typer.Typer(help="The models that can answer.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """Keeps `list` a command of its own while it is the only one."""


@app.command("list")
def list_() -> None:
    """List the models that come with Graticule, and what each is for."""
    from rich.table import Table
    from rich.text import Text

    from graticule.cli.present import show_table
    from graticule.locator import list_models

    table = Table(header_style="bold", pad_edge=False, box=None)
    table.add_column("Model", style="bold", no_wrap=True)
    table.add_column("For")
    for model in list_models():
        table.add_row(Text(model.name), Text(model.purpose))
    show_table(table)
