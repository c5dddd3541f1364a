"""`graticule extract`: features of a source's pictures, computed once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from graticule.cli.options import Minutes

__all__ = ["extract"]


def extract(
    source: Annotated[
        str, typer.Argument(metavar="SOURCE", help="What is read, such as [b]im2gps3k[/b] or [b]folder[/b].")
    ],
    path: Annotated[Path, typer.Argument(metavar="PATH", help="The folder it lies in, as it was published.")],
    *,
    encoder: Annotated[
        str,
        typer.Option(metavar="NAME|FOLDER", help="Whose features: a model's, or those of a local CLIP."),
    ],
    out: Annotated[Path, typer.Option(metavar="DIR", file_okay=False, help="The folder to write.")],
    split: Annotated[
        str | None, typer.Option(metavar="NAME", help="Which part of the source, where it has parts.")
    ] = None,
    shard_rows: Annotated[
        int, typer.Option(metavar="N", min=1, help="Pictures a shard; a kill loses at most one shard's work.")
    ] = 4096,
    batch: Annotated[
        int,
        typer.Option(
            metavar="N", min=1, help="Pictures decoded ahead of the encoder; features do not depend on it."
        ),
    ] = 256,
    engine: Annotated[
        Literal["local", "ray"], typer.Option(help="Where shards are made: here, or on a Ray cluster.")
    ] = "local",
    address: Annotated[
        str | None, typer.Option(metavar="URL", help="Of the Ray cluster, such as ray://host:10001.")
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(metavar="N", min=1, help="Threads that decode; with Ray, shards under way at once."),
    ] = None,
    limit: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Leave out all but the source's first pictures.")
    ] = None,
    minutes: Minutes = float("inf"),
) -> None:
    """Encode the pictures of a source into shards of features with their records.

    Run it again after an interruption, whatever it was: what is finished is kept. Pictures that can't be read are
    listed in DIR/refused.jsonl and leave no row; the exit status is 0 all the same.
    """
    if address is not None and engine != "ray":
        raise typer.BadParameter("--address is of a Ray cluster: give --engine ray as well")

    from graticule.cli.progress import progress
    from graticule.data.sources.contract import open_source
    from graticule.extract.encoder import find_encoder
    from graticule.extract.run import extract_scan

    stored = find_encoder(encoder)  # what is wrong with it should be known before minutes of looking
    with progress("Looking through", total=0) as advance:
        scan = open_source(source, path, split, progress=advance)
    with progress("Extracting", total=0) as advance:
        outcome = extract_scan(
            scan,
            path,
            encoder=stored,
            out=out,
            split=split,
            shard_rows=shard_rows,
            limit=limit,
            ahead=batch,
            engine=engine,
            address=address,
            workers=workers,
            stop_after_s=60 * minutes,
            progress=advance,
        )
    if outcome.problems:
        part = f" --split {split}" if split else ""
        typer.echo(
            f"left out: {outcome.problems:,} of the source's rows or files can't be used; "
            f"`graticule data check {source} {path}{part}` lists them"
        )
    kept = f"{outcome.done - outcome.refused:,} of {outcome.records:,} pictures"
    refused = f"; {outcome.refused:,} refused, see {out / 'refused.jsonl'}" if outcome.refused else ""
    if not outcome.finished:
        typer.echo(f"stopped: {out} holds {kept}{refused}; run the same command again to go on")
    else:
        typer.echo(f"{'finished' if outcome.made else 'nothing to do'}: {out} holds {kept}{refused}")
