"""`graticule serve`: the map in a browser, and the service for programs."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from graticule.cli.options import AllowHost, ApiKeyEnv, Browser, Host, Port

__all__ = ["serve"]

LIMITS = "Limits"


def serve(
    *,
    model: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME|FOLDER",
            help="Which model answers; repeat it to serve several, the first where a request names none.",
        ),
    ] = None,
    host: Host = "127.0.0.1",
    port: Port = 8765,
    browser: Browser = True,
    api_key_env: ApiKeyEnv = None,
    allow_host: AllowHost = None,
    precision: Annotated[
        Literal["float32", "bfloat16", "int8"], typer.Option(help="As for [b]graticule locate[/b].")
    ] = "float32",
    max_pictures: Annotated[
        int, typer.Option(metavar="N", min=1, help="In one request.", rich_help_panel=LIMITS)
    ] = 64,
    max_megabytes: Annotated[
        int, typer.Option(metavar="N", min=1, help="Of one request.", rich_help_panel=LIMITS)
    ] = 128,
    max_megapixels: Annotated[
        int, typer.Option(metavar="N", min=1, help="Of one picture.", rich_help_panel=LIMITS)
    ] = 80,
    max_queue: Annotated[
        int,
        typer.Option(
            metavar="N", min=1, help="Pictures that may wait for an answer.", rich_help_panel=LIMITS
        ),
    ] = 512,
    timeout: Annotated[
        int, typer.Option(metavar="SECONDS", min=1, help="For an answer.", rich_help_panel=LIMITS)
    ] = 60,
) -> None:
    """Show the map in a browser, and answer programs at /v1/locate.

    Only this machine can connect, unless --host says otherwise. Pictures stay in memory, and are gone with the answer.
    """
    from graticule.serving.settings import MIB, Limits, Settings, key_in
    from graticule.serving.start import serve

    settings = Settings(
        host=host,
        port=port,
        api_key=key_in(api_key_env),
        allowed_hosts=tuple(allow_host or ()),
        limits=Limits(
            pictures=max_pictures,
            request_bytes=max_megabytes * MIB,
            pixels=max_megapixels * 1_000_000,
            queued=max_queue,
            answer_s=timeout,
        ),
    )
    serve(
        model or [],
        settings,
        precision=precision,
        open_browser=browser,
        say=lambda line: typer.echo(f"graticule: {line}", err=True),
    )
