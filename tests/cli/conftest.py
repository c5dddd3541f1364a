"""A stand-in geolocator: the command line is tested without weights, and without torch."""

import sys
from types import ModuleType
from typing import ClassVar

import pytest

from graticule.cli import main
from graticule.errors import ModelNotFoundError, PictureError
from graticule.images.open import open_picture
from graticule.prediction import Candidate, NotSure, Prediction, Refusal


class FakeGeolocator:
    name = "orbit"
    purpose = "views of the Earth from above, not street photos"

    asked: ClassVar[list] = []

    @classmethod
    def load(cls, name, **options):
        if name != "orbit":
            raise ModelNotFoundError(f"{name}: no such model. The models are: orbit.")
        return cls()

    def locate(self, paths, *, decode, top_k, progress, start=0, **options):
        self.asked.append(options)
        candidates = (Candidate(43.0, 5.0, 0.4, "12c9"), Candidate(42.0, 4.0, 0.2, "12b1"))[:top_k]
        for number, path in enumerate(paths[start:], start=start + 1):
            try:
                open_picture(path)
            except PictureError as error:
                yield Refusal(str(path), error)
            else:
                yield Prediction(
                    str(path),
                    43.1,
                    5.2,
                    310.0,
                    candidates,
                    f"orbit/{decode}",
                    region_probability=0.003 if options.get("within") else None,
                    not_sure=NotSure(0.4, 0.8, 25.0) if options.get("min_confidence") else None,
                )
            progress(number, len(paths))


@pytest.fixture
def locator(monkeypatch):
    """Puts the stand-in where the commands look for the real one."""
    module = ModuleType("graticule.locator")
    module.Geolocator = FakeGeolocator
    monkeypatch.setitem(sys.modules, "graticule.locator", module)
    return module


@pytest.fixture
def run(capsys):
    """Run the command line; gives (exit status, stdout, stderr)."""

    def run(*arguments):
        with pytest.raises(SystemExit) as leaving:
            main([str(argument) for argument in arguments])
        said = capsys.readouterr()
        return leaving.value.code or 0, said.out, said.err

    return run
