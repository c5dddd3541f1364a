"""Options that several commands have, written once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

import typer

__all__ = [
    "CHOOSING",
    "AllowHost",
    "ApiKeyEnv",
    "Browser",
    "Config",
    "Device",
    "Features",
    "Host",
    "Minutes",
    "Port",
    "RewardFolder",
    "RunFolder",
]

CHOOSING: Final = "Choosing among candidates"

Features = Annotated[
    Path,
    typer.Argument(metavar="FEATURES", exists=True, file_okay=False, help="A folder of shards of features."),
]
RunFolder = Annotated[
    Path,
    typer.Option(metavar="DIR", file_okay=False, help="The folder to write; its run/ keeps checkpoints."),
]
Config = Annotated[
    Path | None,
    typer.Option(
        metavar="YAML", exists=True, dir_okay=False, help="Settings; what is given beside it wins over them."
    ),
]
Device = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="[b]cpu[/b] or [b]cuda[/b]; else CUDA where there is any."),
]
Minutes = Annotated[
    float, typer.Option(metavar="N", min=0, help="Stop, resumable, after so long; run again to go on.")
]
RewardFolder = Annotated[
    Path | None,
    typer.Option(
        metavar="DIR",
        exists=True,
        file_okay=False,
        help="What [b]graticule reward[/b] wrote, for --select reward.",
        rich_help_panel=CHOOSING,
    ),
]
Host = Annotated[
    str,
    typer.Option(
        metavar="ADDRESS", help="Where to listen; another than 127.0.0.1 or ::1 lets other machines in."
    ),
]
Port = Annotated[int, typer.Option(metavar="N", min=0, max=65535, help="0 takes any that is free.")]
Browser = Annotated[bool, typer.Option("--browser/--no-browser", help="Open the page in a browser.")]
ApiKeyEnv = Annotated[
    str | None,
    typer.Option(metavar="VARIABLE", help="The environment variable that holds the key clients must show."),
]
AllowHost = Annotated[
    list[str] | None,
    typer.Option(metavar="NAME", help="A further name that requests may call the server by."),
]
