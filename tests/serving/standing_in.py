"""A server without a model, as a process: `python -m serving.standing_in NAME`."""

import sys
from dataclasses import replace

import numpy as np

from graticule.earth import s2
from graticule.earth.cell_size import cell_areas_km2, reach_km
from graticule.earth.density import Density
from graticule.serving.app import create_app
from graticule.serving.run import listening, run, url_of
from graticule.serving.service import Service
from graticule.serving.settings import MIB, Limits, Settings
from serving.conftest import StandIn

LIMITS = Limits(
    request_bytes=2 * MIB, client_requests=10, header_s=1.5, idle_s=1.5, receive_s=9, answer_s=60, drain_s=10
)


class Mapped(StandIn):
    """Answers that a map can show."""

    def answer(self, *asked, **more):
        return [replace(shown, levels=(4,), density=_density()) for shown in super().answer(*asked, **more)]


def _density():
    """One cell, which is certain."""
    cells = s2.cell_ids(np.array([10.0]), np.array([20.0]), level=4)
    levels = s2.level_of(cells)
    columns = cells, levels, np.ones(1), cell_areas_km2(cells), np.stack(s2.centres(cells), axis=-1)
    return Density(*(column[None] for column in (*columns, reach_km(levels))))


def main():
    settings = Settings(port=0, limits=LIMITS)
    with listening(settings) as bound:
        print(url_of(settings, bound), flush=True)
        run(create_app(Service({sys.argv[1]: Mapped()}, settings)), settings, bound)


if __name__ == "__main__":
    main()
