"""`graticule variogram`: how unlike are pictures, by how far apart they were taken?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.table import Table

    from graticule.earth.variogram import Fit

__all__ = ["variogram"]


def variogram(
    source: Annotated[
        str,
        typer.Argument(
            metavar="FEATURES|MODEL",
            help="A .safetensors or .npz file with features (N, D) and lat_lon (N, 2), a folder of shards, a model "
            "folder, or a shipped model's name.",
        ),
    ],
    *,
    dissimilarity: Annotated[
        Literal["cosine", "euclidean"], typer.Option(help="1 - cosine, or half the squared distance.")
    ] = "cosine",
    lags: Annotated[Literal["log", "linear", "equal-count"], typer.Option(help="How lags are laid.")] = "log",
    bins: Annotated[int, typer.Option(metavar="N", min=6, help="How many lags.")] = 20,
    max_km: Annotated[
        float | None,
        typer.Option(metavar="KM", help="End of the longest lag; half the largest distance if not given."),
    ] = None,
    model: Annotated[
        Literal["best", "spherical", "exponential", "gaussian", "stable", "matern", "monotone"],
        typer.Option(help="Which curve; best is the parametric one of the lowest AICc."),
    ] = "best",
    weights: Annotated[
        Literal["equal", "count", "cressie"], typer.Option(help="What a lag weighs in a fit.")
    ] = "equal",
    pairs: Annotated[
        str, typer.Option(metavar="all|N", help="All pairs, or N drawn, equally many from each lag.")
    ] = "all",
    seed: Annotated[int, typer.Option(metavar="S", min=0, help="Of draws and intervals.")] = 0,
    figure: Annotated[Path | None, typer.Option(metavar="FILE.png", dir_okay=False, help="Draw it.")] = None,
    output: Annotated[
        Path | None, typer.Option(metavar="FILE.json", dir_okay=False, help="Write all figures as JSON.")
    ] = None,
) -> None:
    """Estimate the semivariogram of features over the Earth, and fit models to it.

    Nugget, sill and practical range come with 95 % intervals. With [b]--pairs 1000000[/b] even millions of points take
    little memory.
    """
    if pairs != "all" and not pairs.isdecimal():
        raise typer.BadParameter(f"--pairs {pairs}: give all, or how many", param_hint="--pairs")
    if figure is not None and figure.suffix != ".png":
        raise typer.BadParameter(f"{figure}: name a .png file", param_hint="--figure")

    import json

    from graticule.cli.present import show_table
    from graticule.cli.progress import progress
    from graticule.earth.variogram import (
        best,
        empirical_semivariogram,
        fit_model,
        fit_models,
        lag_edges,
    )
    from graticule.output import atomic_text

    features, lat_lon = _read(source)
    edges = lag_edges(lat_lon, lags, bins=bins, max_km=max_km, seed=seed)
    with progress("Pairing", total=0) as advance:
        found = empirical_semivariogram(
            features,
            lat_lon,
            edges_km=edges,
            dissimilarity=dissimilarity,
            pairs=None if pairs == "all" else int(pairs),
            seed=seed,
            progress=advance,
        )
    fits = fit_models(found, weights=weights)
    kind = best(fits).model.kind if model == "best" else model
    chosen = fit_model(found, kind, weights=weights, seed=seed)
    if figure is not None:
        _draw(chosen, f"Semivariogram of {source}", figure)
    if output is not None:
        content: dict[str, Any] = {"source": source, "seed": seed, "empirical": found.to_dict()}
        content |= {"fit": chosen.to_dict(), "compared": [fit.to_dict() for fit in fits]}
        with atomic_text(output) as stream:
            json.dump(content, stream, indent=2, allow_nan=False)
            stream.write("\n")
    show_table(_lags_table(chosen), _models_table(fits, kind), _summary(chosen))


def _draw(fit: Fit, title: str, path: Path) -> None:
    from io import BytesIO

    from graticule.errors import InputError
    from graticule.figures.variogram import variogram_figure
    from graticule.store import write_whole

    drawn = BytesIO()
    variogram_figure(fit, title=title).savefig(drawn)
    try:
        write_whole(path, drawn.getvalue())
    except OSError as error:
        raise InputError(f"{path}: can't be written ({error.strerror}). Check its folder.") from error


def _read(source: str) -> tuple[Any, Any]:
    """Features (N, D) and places (N, 2) of a file, a folder of shards or a model."""
    import zipfile

    import numpy as np
    import torch
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    from graticule.errors import InputError

    path = Path(source)
    shards = sorted(path.glob("shard-*.safetensors"))
    if not shards and path.suffix not in (".safetensors", ".npz"):
        from graticule.model import Model

        gallery = Model.open(source).gallery
        return gallery.vectors, gallery.lat_lon
    parts = []
    for file in shards or [path]:
        try:
            held = dict(np.load(file, allow_pickle=False)) if file.suffix == ".npz" else load_file(file)
        except (OSError, EOFError, SafetensorError, ValueError, zipfile.BadZipFile) as error:
            raise InputError(f"{file}: can't be read ({error}); give a .safetensors or .npz file") from error
        missing = [name for name in ("features", "lat_lon") if name not in held]
        if missing:
            raise InputError(f"{file}: lacks {' and '.join(missing)}; it must hold features and lat_lon")
        try:
            parts.append([torch.as_tensor(held[name]) for name in ("features", "lat_lon")])
        except TypeError as error:
            raise InputError(f"{file}: features and lat_lon must be numbers ({error})") from error
        if parts[-1][0].shape[1:] != parts[0][0].shape[1:]:
            raise InputError(
                f"{file}: features of shape {tuple(parts[-1][0].shape)}, but those of {shards[0].name} are "
                f"{tuple(parts[0][0].shape)}; give shards of one encoder"
            )
    features, lat_lon = (torch.cat(part) for part in zip(*parts, strict=True))
    return features, lat_lon


def _table(title: str, columns: Sequence[str]) -> Table:
    from rich.table import Table

    table = Table(title=title, title_justify="left", header_style="bold", pad_edge=False, box=None)
    table.add_column(columns[0], no_wrap=True)
    for column in columns[1:]:
        table.add_column(column, justify="right", no_wrap=True)
    return table


def _lags_table(fit: Fit) -> Table:
    found = fit.empirical
    drawn = "sampled pairs" if found.sampled else "pairs"
    title = f"{found.points:,} points, {found.counts.sum():,} {drawn}, {found.dissimilarity}"
    table = _table(title, ["Lag, km", "Mean, km", "Pairs", "Semivariance", fit.model.kind.capitalize()])
    fitted = fit.model.gamma(found.lag_km)
    for row in zip(
        found.low_km, found.high_km, found.lag_km, found.counts, found.semivariance, fitted, strict=True
    ):
        low, high, mean, count, value, curve = row
        table.add_row(f"{_km(low)} to {_km(high)}", _km(mean), f"{count:,}", f"{value:.4f}", f"{curve:.4f}")
    return table


def _models_table(fits: Sequence[Fit], kind: str) -> Table:
    columns = ["Model", "Nugget", "Sill", "Range, km", "Shape", "Error", "AICc"]
    table = _table(f"Models, by {fits[0].weights} weights", columns)
    # A fit without a criterion stands last.
    for fit in sorted(fits, key=lambda fit: (fit.aicc is None, fit.aicc or 0.0)):
        shape = getattr(fit.model, "shape", None)
        table.add_row(
            fit.model.kind,
            f"{fit.model.nugget:.4f}",
            f"{fit.model.sill:.4f}",
            _km(fit.model.practical_range_km),
            "" if shape is None else f"{shape:.2f}",
            f"{fit.error:.5f}",
            "" if fit.aicc is None else f"{fit.aicc:.1f}",
            style="bold" if fit.model.kind == kind else "",
        )
    return table


def _summary(fit: Fit) -> Table:
    table = _table(f"The {fit.model.kind} model", ["", "Estimate", "95 % interval"])
    for label, name, write in (
        ("nugget", "nugget", "{:.4f}".format),
        ("sill (partial)", "sill", "{:.4f}".format),
        ("practical range, km", "practical_range_km", _km),
    ):
        low, high = fit.intervals[name]
        table.add_row(label, write(getattr(fit.model, name)), f"{write(low)} to {write(high)}")
    if not fit.reaches_sill:
        table.caption = (
            "The range lies beyond the longest lag: sill and range are extrapolated; raise --max-km."
        )
        table.caption_justify = "left"
    return table


def _km(km: float) -> str:
    """A distance in km to three figures or the whole number, and no unit."""
    return f"{km:,.0f}" if km >= 100 or km == 0 else f"{km:.3g}"
