"""The application: routes, page and guards, joined."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import PackageNotFoundError, version

from fastapi import FastAPI
from starlette.types import ASGIApp

from graticule.serving.freed import given_back
from graticule.serving.guard import Guard, SecurityHeaders
from graticule.serving.page import add_page
from graticule.serving.probes import probes
from graticule.serving.problems import answer_problems
from graticule.serving.review import Batch
from graticule.serving.review_routes import review_routes
from graticule.serving.routes import routes
from graticule.serving.service import Service
from graticule.serving.traffic import Linger, Observe

__all__ = ["create_app"]


def create_app(service: Service, batch: Batch | None = None) -> ASGIApp:
    """The application that serves a service, and a batch to be reviewed if there is one."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        service.start()
        async with given_back():
            yield
        await asyncio.to_thread(service.stop)

    # The pages of documentation that FastAPI offers load scripts from elsewhere.
    app = FastAPI(
        title="Graticule",
        summary="Where on Earth was this picture taken, and how sure are we?",
        version=_version(),
        docs_url=None,
        # A path with a slash too many is none, like any other: nothing is redirected.
        redirect_slashes=False,
        redoc_url=None,
        # Whatever the environment says, nothing is reported to anybody.
        telemetry={"tracing": False, "metrics": False, "logs": False, "auto_configure": False},
        lifespan=lifespan,
    )
    answer_problems(app)
    app.include_router(routes(service))
    app.include_router(review_routes(service, batch))
    app.include_router(probes(service))
    add_page(app)
    settings = service.settings
    guarded = Guard(app, api_key=settings.api_key, allowed_hosts=settings.allowed_hosts)
    return SecurityHeaders(Observe(Linger(guarded), service.metrics))


def _version() -> str:
    try:
        return version("graticule")
    except PackageNotFoundError:  # run from its source
        return "0"
