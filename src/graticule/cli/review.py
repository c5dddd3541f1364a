"""`graticule review`: look over a finished batch in a browser."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from graticule.cli.options import AllowHost, ApiKeyEnv, Browser, Host, Port

__all__ = ["review"]


def review(
    results: Annotated[
        Path,
        typer.Argument(
            metavar="RESULTS", help="JSON lines, as [b]graticule locate --format jsonl[/b] writes them."
        ),
    ],
    *,
    folder: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            exists=True,
            file_okay=False,
            help="Where the pictures lie, if their paths are relative to another folder than this.",
        ),
    ] = None,
    export: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            dir_okay=False,
            help="Write the results with what was decided so far, and serve nothing.",
        ),
    ] = None,
    host: Host = "127.0.0.1",
    port: Port = 8765,
    browser: Browser = True,
    api_key_env: ApiKeyEnv = None,
    allow_host: AllowHost = None,
) -> None:
    """Look over a finished batch: confirm, move or reject each estimate.

    Decisions are kept in RESULTS.review.jsonl as they are made; what the pictures or RESULTS hold is not touched.
    """
    from graticule.serving.review import Batch
    from graticule.serving.settings import Settings, key_in
    from graticule.serving.start import review

    if export is not None:
        with Batch.open(results) as batch:
            batch.export(export)
            typer.echo(f"graticule: {export}: {batch.decided} of {len(batch)} results reviewed", err=True)
        return
    settings = Settings(
        host=host, port=port, api_key=key_in(api_key_env), allowed_hosts=tuple(allow_host or ())
    )
    review(
        results,
        settings,
        folder=folder,
        open_browser=browser,
        say=lambda line: typer.echo(f"graticule: {line}", err=True),
    )
