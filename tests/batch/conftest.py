"""A locator that answers at once, and says what it was asked."""

import pytest

from graticule.batch.pictures import Listed
from graticule.batch.run import Batch
from graticule.errors import PictureError
from graticule.prediction import Candidate, Prediction, Refusal


class Toy:
    """Answers by a picture's number; those in `refused` it can't read."""

    name = "toy"

    def __init__(self):
        self.asked, self.refused, self.stops_at = [], set(), None

    def locate(self, pictures, *, start, batch_size, progress, **options):
        for number, path in enumerate(pictures[start:], start=start):
            if number == self.stops_at:
                raise KeyboardInterrupt
            self.asked.append(number)
            if number in self.refused:
                yield Refusal(str(path), PictureError(f"{path}: the file is empty."))
            else:
                cell = (Candidate(number / 7, 0.0, 0.5, "0d4"),)
                yield Prediction(
                    str(path), number / 7, 0.1 + 0.2, 300.0, cell, "toy", circles_km=tuple(range(1, 100))
                )
            if number % batch_size == batch_size - 1:
                progress(number + 1, len(pictures))


class Somewhere:
    def __init__(self, latitude):
        self.latitude = latitude

    def to_dict(self):
        return {
            "text": f"at {self.latitude:.1f}",
            "country_name": "Chile",
            "region": None,
            "town": None,
            "town_km": None,
        }


class Gazetteer:
    calls = 0

    def at(self, latitudes, longitudes):
        self.calls += 1
        return [Somewhere(latitude) for latitude in latitudes]


@pytest.fixture
def toy():
    return Toy()


@pytest.fixture
def gazetteer():
    return Gazetteer()


@pytest.fixture
def batch_of(toy, tmp_path):
    """Makes a batch of so many pictures, with what else is given."""

    def make(count, **given):
        pictures = [Listed(tmp_path / f"{number}.jpg", number, 0.5) for number in range(count)]
        return Batch(**({"locator": toy, "pictures": pictures, "model_digest": "abc"} | given))

    return make
