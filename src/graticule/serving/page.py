"""The map's page: files that were built into the package."""

from __future__ import annotations

import mimetypes
from importlib import resources
from pathlib import Path

from fastapi import FastAPI
from starlette.datastructures import MutableHeaders
from starlette.responses import FileResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from graticule.serving.problems import ServingError

__all__ = ["add_page"]


def add_page(app: FastAPI) -> None:
    """Have an application show the page at `/`, with what it loads from `/assets/`."""
    folder = Path(str(resources.files("graticule.serving") / "static"))
    # What the system says of these may be wrong, and browsers are told to believe it.
    mimetypes.add_type("text/javascript", ".js")
    mimetypes.add_type("image/webp", ".webp")

    @app.get("/", include_in_schema=False)
    async def page() -> Response:
        if not (folder / "index.html").is_file():
            raise ServingError(
                404, "the page was not built: `make web` does; the service at /v1 works without."
            )
        return FileResponse(folder / "index.html", headers={"Cache-Control": "no-cache"})

    if (folder / "assets").is_dir():
        app.mount("/assets", _Assets(directory=folder / "assets"))


class _Assets(StaticFiles):
    """Files whose names change with what they hold: browsers may keep them."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        if response.status_code == 200:
            MutableHeaders(raw=response.raw_headers)["Cache-Control"] = "public, max-age=31536000, immutable"
        return response
