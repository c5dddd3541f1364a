"""The routes for whoever keeps the server running."""

from __future__ import annotations

from fastapi import APIRouter, Response

from graticule.serving import schema
from graticule.serving.problems import ServingError
from graticule.serving.routes import errors
from graticule.serving.service import Service

__all__ = ["probes"]


def probes(service: Service) -> APIRouter:
    """The routes, answered by a service."""
    router = APIRouter()

    @router.get("/healthz", responses=errors(), summary="Is the server up?")
    async def healthz() -> schema.State:
        return schema.State(status="ok")

    @router.get("/readyz", responses=errors(503), summary="Are the models warm?")
    async def readyz() -> schema.State:
        if not service.ready:
            raise ServingError(503, "the model is still being warmed up.")
        return schema.State(status="ready")

    @router.get(
        "/metrics",
        response_class=Response,
        responses={200: {"content": {"text/plain": {}}}, **errors()},
        summary="What was counted, for Prometheus.",
    )
    async def metrics() -> Response:
        return Response(service.metrics.text(), media_type="text/plain; version=0.0.4")

    return router
