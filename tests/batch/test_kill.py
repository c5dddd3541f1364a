"""A batch that is killed outright ends in the bytes of one that was not, and nothing half-written is ever seen."""

import signal
from pathlib import Path

import pytest
from PIL import Image

from killing import moments, told_by

# 17 pictures in groups of 5, of which 2 are refused.
PICTURES, GROUP = 17, 5
MOMENTS = [
    *(f"picture:{n}" for n in moments(2, among=PICTURES, seed=4)),
    *(f"add:{n}" for n in moments(2, among=4, seed=5)),
    # The journal's head, then the output.
    *(f"sync:{n}" for n in moments(2, among=2, seed=6)),
    "remove:0",
]


@pytest.fixture(scope="module")
def pictures(views_folder, tmp_path_factory):
    """Views, and two files that are none."""
    folder = tmp_path_factory.mktemp("pictures")
    for number, view in enumerate(sorted(views_folder.glob("*.png"))[: PICTURES - 2]):
        Image.open(view).save(folder / f"{number:02}.png")
    (folder / "03-bad.jpg").write_text("<html>")
    (folder / "11-bad.jpg").touch()
    return folder


@pytest.fixture(scope="module")
def runs(pictures, tmp_path_factory):
    """The folder of runs, and moment -> (signal, what was seen, pictures opened again)."""
    root = tmp_path_factory.mktemp("killed")
    told = told_by(Path(__file__).with_name("killed_batch.py"), pictures, root, *MOMENTS)
    return root, {moment: tuple(rest) for moment, *rest in told}


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_killed_batch_ends_as_an_unharmed_one_does(runs, moment):
    root, told = runs
    ended, seen, opened = told[moment]
    assert int(ended) == signal.SIGKILL
    assert seen == ("whole" if moment == "remove:0" else "nothing")
    [output] = (root / moment.replace(":", "-")).iterdir()  # journal, lock and temporaries are gone
    assert output.read_bytes() == (root / output.name).read_bytes()
    kind, number = moment.split(":")
    if kind == "add":
        assert int(opened) == PICTURES - GROUP * int(number), "what is done is not done again"
    if kind == "remove":
        assert int(opened) == 0
