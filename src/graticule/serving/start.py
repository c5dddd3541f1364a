"""What `graticule serve` and `graticule review` do: open the models, join the application, and run it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from graticule.errors import MissingExtraError, ModelNotFoundError
from graticule.serving.settings import Settings

if TYPE_CHECKING:
    from graticule.precision import Precision
    from graticule.serving.review import Batch

__all__ = ["review", "serve"]

_EXTRA: Final = ("fastapi", "starlette", "uvicorn", "python_multipart", "prometheus_client")


def serve(
    models: Sequence[str | Path],
    settings: Settings,
    *,
    precision: Precision = "float32",
    open_browser: bool = False,
    say: Callable[[str], None] = print,
) -> None:
    """Answer until told to stop.

    Args:
        models: names or folders, the first for requests that name none; if there are none, geoclip if it is installed,
            else the model that comes with Graticule.
        settings: where to listen, and the limits.
        precision: as for `Geolocator.load`.
        open_browser: show the page.
        say: told where the server is, and what to mind.

    Raises:
        MissingExtraError: what serves is not installed.
        ModelError: a model can't be used.
        ConfigError: the address can't be listened at.
    """
    _start(models, settings, None, precision, open_browser, say)


def review(
    results: Path,
    settings: Settings,
    *,
    folder: Path | None = None,
    open_browser: bool = False,
    say: Callable[[str], None] = print,
) -> None:
    """Show a batch for review until told to stop; no model is needed for that.

    Args:
        results: what `graticule locate --format jsonl` wrote.
        settings: as for `serve`.
        folder: where pictures lie whose paths are relative; the working directory if not given.
        open_browser: as for `serve`.
        say: as for `serve`.

    Raises:
        MissingExtraError: what serves is not installed.
        InputError: the results can't be read, or are none.
        ConfigError: the address can't be listened at.
    """
    from graticule.serving.review import Batch

    with Batch.open(results, folder=folder) as batch:
        _start([], settings, batch, "float32", open_browser, say)


def _start(
    models: Sequence[str | Path],
    settings: Settings,
    batch: Batch | None,
    precision: Precision,
    open_browser: bool,
    say: Callable[[str], None],
) -> None:
    try:
        from graticule.serving.app import create_app
        from graticule.serving.run import listening, run, url_of
        from graticule.serving.service import Service
    except ModuleNotFoundError as error:
        if error.name not in _EXTRA:
            raise
        raise MissingExtraError.of("serve", error.name) from error
    from graticule.locator import Geolocator

    # Before the models, which take longer.
    bound = listening(settings)
    with bound:
        names = list(models) or ([_default()] if batch is None else [])
        geolocators = [Geolocator.load(name, precision=precision) for name in names]
        for geolocator in geolocators:
            say(f"{geolocator.name} answers: {geolocator.purpose}")
        service = Service({geolocator.name: geolocator for geolocator in geolocators}, settings)
        if settings.reached_by_others:
            say(_warning(settings))
        say(f"{url_of(settings, bound)} (Ctrl+C ends it)")
        run(create_app(service, batch), settings, bound, open_browser=open_browser)


def _default() -> str:
    """The model where none is named: the one that comes with Graticule will do, since the page says what it is for."""
    from graticule.store import default_model, shipped_models

    try:
        return default_model()
    except ModelNotFoundError:
        return next(iter(shipped_models()))


def _warning(settings: Settings) -> str:
    if settings.api_key is None:
        return (
            f"warning: whoever can reach {settings.host} can use this server, and read what is under review. "
            "--api-key-env VARIABLE makes them show a key."
        )
    return "warning: the key and the pictures travel unencrypted; put a proxy with TLS before the server."
