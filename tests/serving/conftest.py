"""Servers on free loopback ports: real uvicorn in a thread, with the shipped model or a stand-in."""

import threading
from contextlib import contextmanager
from types import SimpleNamespace

import httpx
import numpy as np
import pytest

from graticule.errors import PictureError
from graticule.images.open import open_picture
from graticule.prediction import Candidate, Prediction
from graticule.serving.app import create_app
from graticule.serving.run import listening, server_of, url_of
from graticule.serving.service import Service
from graticule.serving.settings import Limits, Settings


@contextmanager
def running(geolocators, batch=None, **settings):
    """A server while the block runs: `url`, and the `service` behind it."""
    limits = Limits(**settings.pop("limits", {}))
    told = Settings(port=0, limits=limits, **settings)
    service = Service(geolocators, told)
    bound = listening(told)
    server = server_of(create_app(service, batch), told)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [bound]}, daemon=True)
    thread.start()
    try:
        yield SimpleNamespace(url=url_of(told, bound), service=service, port=bound.getsockname()[1])
    finally:
        server.should_exit = True
        thread.join(30)
        bound.close()
        assert not thread.is_alive()


class StandIn:
    """A geolocator without a model, which can be made to wait: `gate` holds its answers back."""

    name = "stand-in"
    purpose = "nothing"
    model = SimpleNamespace(encoder=SimpleNamespace(size=8), thumbnails=None)

    def __init__(self):
        self.gate = threading.Event()
        self.gate.set()
        self.batches = []

    def pixels(self, source, *, name, max_pixels):
        image = open_picture(source, name=name, max_pixels=max_pixels)
        return np.asarray(image.resize((8, 8))).transpose(2, 0, 1)

    def mask(self, region):
        return SimpleNamespace(region=region)

    def answer(self, pixels, names, *, top_k=5, mask=None):
        assert self.gate.wait(60)
        self.batches.append(names)
        if "fault.png" in names:
            raise PictureError("made to fail")
        shown = tuple(Candidate(10.0, 20.0, 0.9 / (k + 1), "1") for k in range(top_k))
        return [Prediction(name, 10.0, 20.0, 30.0, shown, self.name) for name in names]


@pytest.fixture
def stand_in():
    return StandIn()


@pytest.fixture(scope="session")
def orbit():
    from graticule.locator import Geolocator

    return Geolocator.load("orbit")


@pytest.fixture(scope="session")
def server(orbit):
    """One server with the shipped model, for all tests that change nothing about it."""
    with running({"orbit": orbit}) as started:
        yield started


@pytest.fixture
def client(server):
    with httpx.Client(base_url=server.url, timeout=120) as asking:
        yield asking
