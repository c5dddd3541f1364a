"""An untrained model of four parts, and a network that learns in a moment: small enough to break a hundred times."""

import torch
from torch import nn
from torch.nn import functional

from graticule.alignment.location import LocationEncoderConfig
from graticule.alignment.model import Alignment, AlignmentConfig
from graticule.encoders.orbit import OrbitEncoder, OrbitEncoderConfig
from graticule.model import Model, ModelConfig
from graticule.retrieval.gallery import Gallery
from graticule.retrieval.ivfpq import IvfPqIndex, IvfPqIndexConfig
from graticule.tokens.geotoken import GeoToken, GeoTokenConfig
from graticule.training.loop import TrainingConfig, step_generator, train
from graticule.training.schedule import Schedule

WIDTH, PLACES = 12, 8


def small_model(*, seed=0, rows=60, indexed=False, name="small"):
    """A model with an encoder, an alignment, a gallery and a GeoToken, of random weights.

    Args:
        seed: of the weights, the gallery's vectors and its places.
        rows: of the gallery.
        indexed: whether the gallery is searched by faiss, as one of millions is.
        name: of the model.
    """
    torch.manual_seed(seed)
    encoder = OrbitEncoderConfig(size=32, widths=(8, 8), depths=(1, 1), squeeze=4, width=WIDTH)
    location = LocationEncoderConfig(sigmas=(1.0,), frequencies=8, hidden=16, layers=1, width=PLACES)
    alignment = AlignmentConfig(feature_width=WIDTH, location=location)
    geotoken = GeoTokenConfig(
        levels=(0, 2, 4),
        vectors={"image": WIDTH, "location": PLACES},
        neighbour_vectors=("location",),
        neighbours=4,
        d_model=16,
        heads=2,
        encoder_layers=1,
        decoder_layers=1,
        feed_forward=32,
    )
    vectors = functional.normalize(torch.randn(rows, PLACES), dim=-1)
    lat_lon = (torch.rand(rows, 2, dtype=torch.float64) - 0.5) * torch.tensor([140.0, 360.0])
    built = IvfPqIndex.build(vectors, IvfPqIndexConfig(lists=4)) if indexed else None
    return Model(
        config=ModelConfig(
            name=name,
            domain="noise",
            purpose="tests",
            licence="Apache-2.0",
            encoder=encoder,
            alignment=alignment,
            geotoken=geotoken,
            gallery_rows=rows,
        ),
        encoder=OrbitEncoder(encoder),
        alignment=Alignment(alignment),
        gallery=Gallery(lat_lon, vectors.half() if indexed else vectors, built),
        geotoken=GeoToken(geotoken),
    )


class Toy:
    """A network with dropout, whose batches depend on the step's number; `seen` are the batches it was given."""

    def __init__(self):
        torch.manual_seed(0)
        self.model = nn.Sequential(
            nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Dropout(0.3), nn.Linear(64, 1)
        ).to(memory_format=torch.channels_last)
        self.seen = []

    def loss(self, step):
        x = torch.randn(8, 3, 6, 6, generator=step_generator(0, step))
        self.seen.append(x)
        return functional.mse_loss(self.model(x), x.sum((1, 2, 3))[:, None]), {}

    def validate(self):
        return {"score": float(self.model[4].weight.sum())}


def toy_run(folder, *, steps=8, task=None, **options):
    """Train the toy with a checkpoint after each step; gives the task and how the run ended."""
    task = task or Toy()
    config = TrainingConfig(
        steps=steps,
        schedule=Schedule(warmup=2),
        learning_rate=0.01,
        validate_every=3,
        checkpoint_every_s=-1,
        bf16=False,
    )
    return task, train(task, config, folder, report=lambda line: None, **options)
