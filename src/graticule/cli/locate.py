"""`graticule locate`: where were these pictures taken?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

__all__ = ["locate"]


def locate(
    paths: Annotated[list[Path], typer.Argument(metavar="PATH", help="Pictures, or folders of pictures.")],
    *,
    model: Annotated[
        str | None,
        typer.Option(
            metavar="NAME|FOLDER", help="Which model answers; geoclip if it is installed and none is named."
        ),
    ] = None,
    decode: Annotated[
        Literal["greedy", "beam"],
        typer.Option(
            help="How cells are searched: [b]greedy[/b] is faster, [b]beam[/b] sees more candidates."
        ),
    ] = "beam",
    top_k: Annotated[int, typer.Option(metavar="K", min=1, help="Candidates a picture, at most.")] = 5,
    within: Annotated[
        list[str] | None,
        typer.Option(
            metavar="REGION",
            help="Answer only inside a country, box, circle or GeoJSON file; repeat it to unite several.",
        ),
    ] = None,
    min_confidence: Annotated[
        float | None,
        typer.Option(
            metavar="P",
            min=0.01,
            max=0.99,
            help="Answer [b]not sure[/b] below this probability within --radius.",
        ),
    ] = None,
    radius: Annotated[
        float | None, typer.Option(metavar="KM", help="The distance that --min-confidence is about.")
    ] = None,
    format: Annotated[
        Literal["table", "jsonl", "csv", "geojson"], typer.Option(help="What is written.")
    ] = "table",
    output: Annotated[
        Path | None, typer.Option(metavar="FILE", dir_okay=False, help="Write here, whole or not at all.")
    ] = None,
) -> None:
    """Estimate where pictures were taken, and how sure the estimate is.

    A picture that can't be read is refused by name and the others are answered; the exit status is then 1.

    The model [b]geoclip[/b] knows photos taken on the ground; [b]graticule models pull geoclip[/b] gets it.
    The model [b]orbit[/b] knows views of the Earth from above, and nothing else.
    """
    if (min_confidence is None) != (radius is None):
        raise typer.BadParameter("give --min-confidence and --radius together, or neither")

    from graticule.cli.present import Tally, present
    from graticule.cli.progress import progress
    from graticule.images.batches import walk
    from graticule.locator import Geolocator
    from graticule.store import default_model

    geolocator = Geolocator.load(model or default_model())
    pictures = walk(paths)
    tally = Tally()
    with progress("Locating", total=len(pictures), quiet=format != "table" and output is None) as advance:
        results = geolocator.locate(
            pictures,
            decode=decode,
            top_k=top_k,
            within=within or None,
            min_confidence=min_confidence,
            confidence_km=radius,
            progress=advance,
        )
        show = present(
            tally(results), format, output=output, model=geolocator.name, purpose=geolocator.purpose
        )
    show()
    tally.report(in_output=format != "table")
    raise typer.Exit(1 if tally.refusals else 0)
