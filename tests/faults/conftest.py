"""A small model on disk, and pictures to ask it about."""

from pathlib import Path

import pytest

PICTURES = Path(__file__).parents[2] / "examples" / "pictures"


@pytest.fixture(scope="session")
def small_folder(tmp_path_factory):
    """The folder of a small model; not to be changed."""
    from faults.small import small_model

    folder = tmp_path_factory.mktemp("small") / "small"
    small_model().save(folder, card="A card.")
    return folder


@pytest.fixture(scope="session")
def pictures():
    """Twelve views from above."""
    return sorted(PICTURES.glob("*.png"))


@pytest.fixture
def picture(pictures):
    return pictures[0]
