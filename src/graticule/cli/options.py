"""Options that several commands have, written once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

import typer

__all__ = ["CHOOSING", "Config", "Device", "Features", "Minutes", "RewardFolder", "RunFolder"]

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
