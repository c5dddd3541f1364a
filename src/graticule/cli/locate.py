"""`graticule locate`: where were these pictures taken?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from graticule.cli.options import CHOOSING, RewardFolder

__all__ = ["locate"]

SAMPLING = "Sampling"
BATCH = "Many pictures"
OUTINGS = "Pictures taken together"


def locate(
    # As typed: a Path would join the slashes of an address.
    paths: Annotated[list[str], typer.Argument(metavar="PATH", help="Pictures, or folders of pictures.")],
    *,
    model: Annotated[
        str | None,
        typer.Option(
            metavar="NAME|FOLDER", help="Which model answers; geoclip if it is installed and none is named."
        ),
    ] = None,
    decode: Annotated[
        Literal["greedy", "beam", "sample"],
        typer.Option(
            help="How cells are searched: [b]greedy[/b] is faster, [b]beam[/b] sees more candidates, [b]sample[/b] "
            "draws them."
        ),
    ] = "beam",
    select: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Choose among candidates by log-probability, similarity, minimum-risk, reward, fusion or judge; else "
            "the place of least expected loss is the answer.",
        ),
    ] = None,
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
    samples: Annotated[
        int,
        typer.Option(
            metavar="N", min=1, help="Places that [b]sample[/b] draws a picture.", rich_help_panel=SAMPLING
        ),
    ] = 30,
    temperature: Annotated[
        float, typer.Option(metavar="X", help="Below 1 for likelier places.", rich_help_panel=SAMPLING)
    ] = 0.7,
    top_p: Annotated[
        float,
        typer.Option(
            metavar="P", help="Only tokens that together hold this share.", rich_help_panel=SAMPLING
        ),
    ] = 1.0,
    distinct: Annotated[
        bool, typer.Option("--distinct", help="Each place at most once.", rich_help_panel=SAMPLING)
    ] = False,
    seed: Annotated[
        int,
        typer.Option(metavar="N", min=0, help="The same seed, the same places.", rich_help_panel=SAMPLING),
    ] = 0,
    reward: RewardFolder = None,
    judge: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="A server with a multimodal language model that looks at the pictures. They are sent there.",
            rich_help_panel=CHOOSING,
        ),
    ] = None,
    judge_model: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="The model, as the server names it.", rich_help_panel=CHOOSING),
    ] = None,
    judge_mode: Annotated[
        Literal["pool", "free"],
        typer.Option(help="Pick a candidate, or name a place of its own.", rich_help_panel=CHOOSING),
    ] = "pool",
    judge_key: Annotated[
        str | None,
        typer.Option(
            metavar="VARIABLE", help="The environment variable that holds the key.", rich_help_panel=CHOOSING
        ),
    ] = None,
    precision: Annotated[
        Literal["float32", "bfloat16", "int8"],
        typer.Option(
            help="What products are computed in: rounded is sooner, and refused where it would change the answers."
        ),
    ] = "float32",
    together: Annotated[
        str | None,
        typer.Option(
            metavar="TIME",
            help="Pictures taken with no more than so much time between, such as 10min, tell of each other.",
            rich_help_panel=OUTINGS,
        ),
    ] = None,
    track: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.gpx",
            exists=True,
            dir_okay=False,
            help="Where the photographer was, as a hint.",
            rich_help_panel=OUTINGS,
        ),
    ] = None,
    clock_offset: Annotated[
        str | None,
        typer.Option(
            metavar="TIME",
            help="How far the camera's clock was ahead of UTC: 2h, -5h30min.",
            rich_help_panel=OUTINGS,
        ),
    ] = None,
    format: Annotated[
        Literal["table", "jsonl", "csv", "geojson", "kml", "parquet"] | None,
        typer.Option(help="What is written; else what the ending of --output says, and a table without it."),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            dir_okay=False,
            help="Write here, whole or not at all: .jsonl, .csv, .geojson, .kml or .parquet. Stopped, it goes on where "
            "it was.",
        ),
    ] = None,
    contact_sheet: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.html",
            dir_okay=False,
            help="Draw small copies with their estimates.",
            rich_help_panel=BATCH,
        ),
    ] = None,
    recursive: Annotated[
        bool,
        typer.Option(
            help="Walk folders to the bottom; names that begin with a dot are passed over, links to folders not "
            "followed.",
            rich_help_panel=BATCH,
        ),
    ] = True,
    allow_urls: Annotated[
        bool,
        typer.Option(
            "--allow-urls",
            help="Fetch a PATH that begins with http:// or https://. Its server learns who looks, and at what.",
            rich_help_panel=BATCH,
        ),
    ] = False,
    skip_located: Annotated[
        bool,
        typer.Option("--skip-located", help="Leave out pictures that have GPS.", rich_help_panel=BATCH),
    ] = False,
    retry_refused: Annotated[
        bool,
        typer.Option(
            "--retry-refused",
            help="Going on with a run that was stopped, ask again about what it refused.",
            rich_help_panel=BATCH,
        ),
    ] = False,
    language: Annotated[
        str, typer.Option(metavar="CODE", help="Of the names of places: en, de, pt-BR ...")
    ] = "en",
    no_places: Annotated[bool, typer.Option("--no-places", help="Name no places.")] = False,
) -> None:
    """Estimate where pictures were taken, and how sure the estimate is.

    A picture that can't be read is refused by name and the others are answered; the exit status is then 1.

    The model [b]geoclip[/b] knows photos taken on the ground; [b]graticule models pull geoclip[/b] gets it.
    The model [b]orbit[/b] knows views of the Earth from above, and nothing else.
    """
    if (min_confidence is None) != (radius is None):
        raise typer.BadParameter("give --min-confidence and --radius together, or neither")
    if (judge is None) != (judge_model is None):
        raise typer.BadParameter("give --judge and --judge-model together, or neither")
    if judge is None and (judge_key is not None or judge_mode != "pool"):
        raise typer.BadParameter(
            "--judge-mode and --judge-key are about a judge: give --judge and --judge-model"
        )
    if decode != "sample" and (samples, temperature, top_p, distinct, seed) != (30, 0.7, 1.0, False, 0):
        raise typer.BadParameter(
            "--samples, --temperature, --top-p, --distinct and --seed want --decode sample"
        )

    fusing = together is not None or track is not None
    if fusing and (decode == "sample" or select or reward or judge or within or retry_refused):
        raise typer.BadParameter(
            "--together and --track go with none of --within, --select, --reward, --judge, --decode sample and "
            "--retry-refused"
        )
    if clock_offset is not None and not fusing:
        raise typer.BadParameter("--clock-offset is about times: give --together or --track")
    kind = _kind(format, output)
    if output is None and (contact_sheet is not None or retry_refused or kind == "parquet"):
        raise typer.BadParameter("--contact-sheet, --retry-refused and --format parquet want --output FILE")
    if kind == "table" and (contact_sheet is not None or retry_refused):
        raise typer.BadParameter(
            "--contact-sheet and --retry-refused want an --output for machines, not a table"
        )

    _check_sheet(contact_sheet, output)

    from graticule.batch.pictures import listed, without_gps
    from graticule.batch.run import Batch, model_digest
    from graticule.batch.together import Together, duration, in_time_order
    from graticule.cli.present import present_batch, present_stream, present_table
    from graticule.cli.progress import progress
    from graticule.decoding.judge.config import JudgeConfig, what_leaves
    from graticule.decoding.sample import Sampling
    from graticule.earth.places import Places
    from graticule.fusing.track import read_gpx
    from graticule.images.address import addressed, files_only, what_hosts_learn
    from graticule.images.batches import walk
    from graticule.locator import Geolocator
    from graticule.store import default_model

    offset = None if clock_offset is None else duration(clock_offset)
    together_s = duration(together or "0s").total_seconds()
    if together_s < 0:
        raise typer.BadParameter(f"--together {together}: no time between two pictures is below 0")
    way = None if track is None else read_gpx(track)
    pictures = walk(addressed(paths) if allow_urls else paths, recursive=recursive)
    if skip_located or fusing or judge is not None:
        files = files_only(pictures, "--skip-located, --together, --track and --judge want files")
    model = model or default_model()
    geolocator = Geolocator.load(model, precision=precision)
    asked = None
    if judge is not None and judge_model is not None:
        asked = JudgeConfig(url=judge, model=judge_model, mode=judge_mode, api_key_env=judge_key)
        typer.echo(f"graticule: {what_leaves(asked)}", err=True)
    if (told := what_hosts_learn(pictures)) is not None:
        typer.echo(f"graticule: {told}", err=True)
    drawn = Sampling(count=samples, temperature=temperature, top_p=top_p, distinct=distinct, seed=seed)
    skipped = 0
    if skip_located:
        with progress("Reading GPS", total=len(files)) as advance:
            files = without_gps(files, progress=advance)
        pictures, skipped = [*files], len(pictures) - len(files)
    joint = None
    if fusing:
        with progress("Reading times", total=len(files)) as advance:
            files, seconds = in_time_order(
                files, clock_offset=offset, zone_needed=way is not None, progress=advance
            )
        pictures = [*files]
        joint = Together(seconds, together_s, way, min_confidence, radius)
    batch = Batch(
        geolocator,
        listed(pictures),
        options={
            "decode": drawn if decode == "sample" else decode,
            "select": select,
            "reward": reward,
            "judge": asked,
            "top_k": top_k,
            "within": within or None,
            # What is fused may become sure: it is asked for afterwards.
            "min_confidence": None if fusing else min_confidence,
            "confidence_km": None if fusing else radius,
        },
        settings={
            "precision": precision,
            "language": None if no_places else language,
            "together": together,
            "track": None if way is None else way.digest,
            "clock_offset": clock_offset,
            "sure": [min_confidence, radius],
        },
        places=None if no_places else Places.load(language),
        model_digest=model_digest(model),
        together=joint,
    )
    if kind == "table":
        summary = present_table(batch, output, purpose=geolocator.purpose, skipped=skipped)
    elif output is None:
        summary = present_stream(batch, kind, skipped=skipped)
    else:
        summary = present_batch(
            batch, output, kind, sheet=contact_sheet, skipped=skipped, retry_refused=retry_refused
        )
    raise typer.Exit(1 if summary.refused else 0)


def _kind(format: str | None, output: Path | None) -> str:
    """The format that is asked for, or else that of the output's ending.

    Raises:
        typer.BadParameter: the ending says nothing.
    """
    if format is not None or output is None:
        return format or "table"

    from graticule.output import ENDINGS

    found = ENDINGS.get(output.suffix.lower())
    if found is None:
        raise typer.BadParameter(
            f"--output {output}: the ending is none of {', '.join(ENDINGS)}; rename it, or say --format"
        )
    return found


def _check_sheet(sheet: Path | None, output: Path | None) -> None:
    """See that there can be a contact sheet, which is not written before all is answered.

    Raises:
        typer.BadParameter: there can't.
    """
    if sheet is None or output is None:
        return

    from graticule.output.files import is_stream

    if is_stream(output):
        raise typer.BadParameter(f"--contact-sheet wants an --output that is a file, which {output} is not")
    if sheet.resolve() == output.resolve():
        raise typer.BadParameter("--contact-sheet and --output name the same file")
    if not sheet.parent.is_dir():
        raise typer.BadParameter(f"--contact-sheet {sheet}: there is no such folder")
