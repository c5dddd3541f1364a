"""The routes of locating: what each takes, and which part of the service answers."""

from __future__ import annotations

from typing import Any, Final, get_args

from fastapi import APIRouter, Query, Request, Response

from graticule.earth.places.countries import all_countries, country_names
from graticule.earth.places.data import LANGUAGES
from graticule.errors import ModelFormatError
from graticule.locator import list_models
from graticule.serving import schema
from graticule.serving.asked import MOST_CANDIDATES, Asked
from graticule.serving.describe import Detail
from graticule.serving.problems import JSON, ServingError
from graticule.serving.service import Service
from graticule.serving.uploads import received
from graticule.store import ModelFolder

__all__ = ["errors", "routes"]

_FORM: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["pictures"],
                    "additionalProperties": False,
                    "properties": {
                        "pictures": {
                            "type": "array",
                            "minItems": 1,
                            "items": {"type": "string", "format": "binary"},
                            "description": "JPEG, PNG, WebP, TIFF, GIF or BMP.",
                        },
                        "within": {
                            "type": "array",
                            "items": {"type": "string"},
                            "description": "Where they were taken, as far as that is known: countries, boxes "
                            "'south,west,north,east', circles '50 km around 48.86,2.35', or GeoJSON; united.",
                        },
                        "model": {"type": "string", "description": "One of those served; else the first."},
                        "top_k": {
                            "type": "integer",
                            "minimum": 1,
                            "maximum": MOST_CANDIDATES,
                            "default": 5,
                            "description": "Candidates a picture, at most.",
                        },
                        "language": {
                            "type": "string",
                            "enum": list(LANGUAGES),
                            "default": "en",
                            "description": "Of names of places.",
                        },
                        "detail": {
                            "type": "string",
                            "enum": list(get_args(Detail)),
                            "default": "answer",
                            "description": "'estimate' leaves names and words out, and is quicker; 'map' tells the "
                            "density, regions, way and neighbours too.",
                        },
                    },
                }
            }
        },
    }
}


def errors(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """For OpenAPI: the statuses of errors that a route answers with, beside those that any does."""
    return {status: {"model": schema.Error} for status in sorted({401, 403, *statuses})}


def routes(service: Service) -> APIRouter:
    """The routes, answered by a service."""
    router = APIRouter(prefix="/v1")

    @router.post(
        "/locate",
        response_model=schema.Located,
        responses=errors(400, 404, 408, 413, 415, 422, 429, 500, 503),
        openapi_extra=_FORM,
        summary="Where were these pictures taken, and how sure is that?",
    )
    async def locate(request: Request) -> Response:
        client = request.client.host if request.client else ""
        with service.turn(client):
            async with received(request, service.settings.limits, service.memory) as form:
                return Response(await service.locate(Asked.of(form)), media_type=JSON)

    @router.get("/models", responses=errors(), summary="The models there are.")
    def models() -> schema.Models:
        return schema.Models(
            models=[
                schema.Model(
                    name=listed.name,
                    domain=listed.domain,
                    purpose=_purpose(service, listed.name, installed=listed.installed),
                    licence=listed.licence,
                    disk_bytes=listed.disk_bytes,
                    installed=listed.installed,
                    served=listed.name in service.geolocators,
                )
                for listed in list_models()
            ]
        )

    @router.get("/regions", responses=errors(422), summary="The countries that `within` takes.")
    def regions(language: str = Query("en", json_schema_extra={"enum": list(LANGUAGES)})) -> schema.Countries:
        names = country_names(language)
        drawn = [country for country in all_countries() if country.natural_earth]
        named = [
            schema.Country(code=country.code, name=names.get(country.code or "", country.name))
            for country in drawn
        ]
        return schema.Countries(countries=sorted(named, key=lambda country: country.name))

    @router.get(
        "/neighbours/{model}/{row}",
        response_class=Response,
        responses={200: {"content": {"image/webp": {}}}, **errors(404, 422)},
        summary="A picture of a model's gallery, if it keeps them.",
    )
    def neighbour(model: str, row: int) -> Response:
        geolocator = service.geolocators.get(model)
        kept = None if geolocator is None else geolocator.model.thumbnails
        picture = kept.get(row) if kept is not None else None
        if picture is None:
            raise ServingError(404, f"{model[:100]}: keeps no picture of row {row} of its gallery.")
        return Response(picture, media_type="image/webp", headers={"Cache-Control": "private, max-age=86400"})

    return router


def _purpose(service: Service, name: str, *, installed: bool) -> str | None:
    if name in service.geolocators:
        return service.geolocators[name].purpose
    if not installed:
        return None
    try:
        return str(ModelFolder.find(name).config().get("purpose", "")) or None
    except ModelFormatError:  # the list says so
        return None
