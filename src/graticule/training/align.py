"""Alignment on Orbit: an encoder and its location encoder, from scratch."""

from __future__ import annotations

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict
from torch import Tensor, nn

from graticule.alignment.cell_head import CellHead
from graticule.alignment.loss import info_nce, surroundings
from graticule.alignment.model import Alignment, AlignmentConfig
from graticule.alignment.queue import LocationQueue
from graticule.data.orbit.camera import render
from graticule.data.orbit.mosaic import Mosaic
from graticule.data.orbit.photometry import Seasons
from graticule.data.orbit.views import Views, poses
from graticule.earth.cells import TokenScheme
from graticule.earth.distance import haversine_km
from graticule.encoders.orbit import OrbitEncoder, OrbitEncoderConfig, channels_last
from graticule.evaluation.metrics import geoscore
from graticule.training.loop import step_generator

__all__ = ["AlignTask", "AlignTaskConfig", "Learner"]


class AlignTaskConfig(BaseModel):
    """What alignment learns from."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    encoder: OrbitEncoderConfig = OrbitEncoderConfig()
    alignment: AlignmentConfig = AlignmentConfig()
    batch: int = 384
    queue: int = 2048
    local: int = 6
    """Wrong answers drawn around each right one, at `local_km`."""
    local_km: tuple[float, float] = (12.0, 400.0)
    cell_levels: tuple[int, ...] = (5, 7, 9)
    cell_weight: float = 0.5
    seasons: float = 0.7
    """Share of views varied strongly."""
    seed: int = 0
    validation_views: int = 2048
    gallery_views: int = 50_000


class Learner(nn.Module):
    """Everything that alignment trains, and the queue."""

    def __init__(self, config: AlignTaskConfig, scheme: TokenScheme) -> None:
        super().__init__()
        self.encoder = channels_last(OrbitEncoder(config.encoder))
        self.alignment = Alignment(config.alignment)
        self.cells = CellHead(config.encoder.width, scheme)
        self.queue = LocationQueue(config.queue)


class AlignTask:
    """Fresh views every step: no view is seen twice."""

    def __init__(self, config: AlignTaskConfig, mosaic: Mosaic) -> None:
        self.config, self.mosaic = config, mosaic
        torch.manual_seed(config.seed)
        self.scheme = TokenScheme(config.cell_levels)
        self.model = Learner(config, self.scheme)
        self._seasons = Seasons(config.seasons)

    def loss(self, step: int) -> tuple[Tensor, dict[str, float]]:
        """InfoNCE with queued and nearby wrong answers, and the cell head's cross-entropies."""
        config, model = self.config, self.model
        generator = step_generator(config.seed, step)
        indices = np.arange(step * config.batch, (step + 1) * config.batch)
        pose = poses("train", indices, seed=config.seed)
        with torch.autocast("cpu", enabled=False):
            pixels = self._seasons(render(self.mosaic, pose, size=config.encoder.size), pose.lat, generator)
        features = model.encoder(pixels.contiguous(memory_format=torch.channels_last))

        lat_lon = torch.stack([pose.lat, pose.lon], dim=-1)
        contrast = self._contrast(features, lat_lon, generator)
        model.queue.push(lat_lon)

        tokens = torch.from_numpy(self.scheme.encode(pose.lat.numpy(), pose.lon.numpy()))
        cells = model.cells.losses(features, tokens)
        figures = {"contrast": contrast.item(), "cells": cells.sum().item()}
        return contrast + config.cell_weight * cells.sum(), figures

    def _contrast(self, features: Tensor, lat_lon: Tensor, generator: torch.Generator) -> Tensor:
        config, alignment, queue = self.config, self.model.alignment, self.model.queue
        around = surroundings(lat_lon, config.local, within_km=config.local_km, generator=generator)
        past = queue.past()
        places = alignment.locations(torch.cat([lat_lon, past, around.flatten(0, 1)]))
        own, queued, local = torch.split(places, [len(lat_lon), len(past), around.shape[0] * around.shape[1]])
        return info_nce(
            alignment.images(features),
            own,
            scale=alignment.scale,
            past=queued if len(past) else None,
            local=local.view(*around.shape[:2], places.shape[1]),
        )

    def validate(self) -> dict[str, float]:
        """Gallery retrieval of fresh validation views: each answers with its most similar gallery place."""
        config, alignment = self.config, self.model.alignment
        pixels, pose = Views(self.mosaic, "validation", size=config.encoder.size).batch(
            np.arange(config.validation_views)
        )
        gallery = poses("train", np.arange(config.gallery_views), seed=config.seed)
        lat_lon = torch.stack([gallery.lat, gallery.lon], dim=-1)
        with torch.autocast("cpu", torch.bfloat16):
            features = torch.cat([self.model.encoder.encode(part) for part in torch.split(pixels, 256)])
            places = torch.cat([alignment.locations(part) for part in torch.split(lat_lon, 8192)])
        best = (alignment.images(features.float()) @ places.T).argmax(1)
        km = haversine_km(pose.lat.numpy(), pose.lon.numpy(), *lat_lon[best].T.numpy())
        return {
            "score": float(np.mean(geoscore(km))),
            "median_km": float(np.median(km)),
            "within_25": float(np.mean(km < 25)),
            "within_200": float(np.mean(km < 200)),
        }
