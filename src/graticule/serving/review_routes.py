"""The routes of reviewing a batch."""

from __future__ import annotations

import io
import json
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from fastapi import APIRouter, Query, Request, Response
from pydantic import TypeAdapter, ValidationError

from graticule.earth.places import Places
from graticule.errors import PictureError
from graticule.images.open import open_picture
from graticule.serving import schema
from graticule.serving.problems import JSON, ServingError
from graticule.serving.review import Batch, estimate
from graticule.serving.routes import errors
from graticule.serving.service import Service
from graticule.serving.uploads import small_body

__all__ = ["review_routes"]

_REVIEW: Final[TypeAdapter[schema.Judged | schema.Moved]] = TypeAdapter(schema.Review)
_SIDE: Final = 1600
"""Pictures are shown at most so large."""
_BODY: Final[dict[str, Any]] = {
    "requestBody": {"required": True, "content": {JSON: {"schema": _REVIEW.json_schema()}}}
}


def review_routes(service: Service, batch: Batch | None) -> APIRouter:
    """The routes for a batch; without one they answer that there is none."""
    router = APIRouter(prefix="/v1/review")

    def the_batch(index: int = 0) -> Batch:
        if batch is None:
            raise ServingError(
                404, "no batch is under review: `graticule review RESULTS` starts a server with one."
            )
        if index and not 0 <= index < len(batch):
            raise ServingError(404, f"result {index}: the batch has {len(batch)}, from 0.")
        return batch

    @lru_cache(maxsize=1)
    def told() -> list[str]:
        return _told(the_batch())

    @router.get("", response_model=schema.ReviewBatch, responses=errors(404), summary="All of the batch.")
    def results() -> Response:
        reviewed = the_batch()
        lines = (
            f'{line[:-1]}, "index": {index}, "review": {json.dumps(reviewed.review(index))}}}'
            for index, line in enumerate(told())
        )
        text = f'{{"name": {json.dumps(reviewed.name)}, "results": [{", ".join(lines)}]}}'
        return Response(text, media_type=JSON)

    @router.get(
        "/{index}/picture",
        response_class=Response,
        responses={200: {"content": {"image/webp": {}}}, **errors(404, 422)},
        summary="The picture of one result, scaled down.",
    )
    async def picture(index: int, side: int = Query(_SIDE, ge=32, le=_SIDE)) -> Response:
        shown = await service.threaded(_scaled, the_batch(index).picture(index), side)
        return Response(shown, media_type="image/webp", headers={"Cache-Control": "private, max-age=3600"})

    @router.put(
        "/{index}",
        responses=errors(400, 404, 408, 413, 415, 422),
        openapi_extra=_BODY,
        summary="Decide about one result.",
    )
    async def decide(index: int, request: Request) -> schema.Decision:
        reviewed = the_batch(index)
        review = _review(await small_body(request, JSON, service.settings.limits))
        await service.threaded(reviewed.decide, index, review.model_dump(exclude_none=True))
        return schema.Decision(index=index, review=review)

    @router.delete("/{index}", responses=errors(404, 422), summary="Take back what was decided about one.")
    async def undo(index: int) -> schema.Decision:
        await service.threaded(the_batch(index).decide, index, None)
        return schema.Decision(index=index, review=None)

    return router


def _review(body: bytes) -> schema.Judged | schema.Moved:
    try:
        return _REVIEW.validate_json(body)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the body"
        raise ServingError(422, f"{where}: {first['msg']}") from error


def _told(batch: Batch) -> list[str]:
    """Each result as JSON, with names of places."""
    shown = [{**result, "place": None} for result in batch.results]
    named = [point for result in shown for point in _points(result)]
    found = Places.load().at(
        [point["latitude"] for point, _ in named], [point["longitude"] for point, _ in named]
    )
    for (_, holder), place in zip(named, found, strict=True):
        holder["place"] = place.to_dict()
    return [json.dumps(result) for result in shown]  # ASCII: names of files need not be valid text


def _points(result: dict[str, Any]) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """What of a result has a place, and where its name goes."""
    if "error" in result:
        return []
    result["candidates"] = [{**candidate} for candidate in result["candidates"]]
    return [(estimate(result), result), *((candidate, candidate) for candidate in result["candidates"])]


def _scaled(path: Path, side: int) -> bytes:
    """A picture for the page, as WebP, its longer side no more pixels than that.

    Raises:
        ServingError: It can't be read.
    """
    try:
        image = open_picture(path, shortest=side)
    except PictureError as error:
        raise ServingError(404, str(error)) from error
    image.thumbnail((side, side))
    written = io.BytesIO()
    image.save(written, "WEBP", quality=80, method=2)
    return written.getvalue()
