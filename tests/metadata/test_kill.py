"""Writing and undoing that are killed outright: nothing half written is seen, and both ends can be reached."""

import shutil
import signal
from pathlib import Path

import pytest

from graticule.metadata.xmp import EMPTY
from killing import moments, told_by

# How many times a run of each kind flushes, renames, links or deletes a file.
CALLS = {"sidecars": 15, "in-place": 24, "undo": 7}
MOMENTS = {kind: [f"{kind}:{n}" for n in moments(4, among=calls, seed=4)] for kind, calls in CALLS.items()}


@pytest.fixture(scope="module")
def told(request, tmp_path_factory):
    """moment -> (signal, what is wrong)."""
    made = {}

    def told(kind, template):
        if kind not in made:
            root = tmp_path_factory.mktemp(kind)
            script = Path(__file__).with_name("killed_write.py")
            lines = told_by(script, template, root, *MOMENTS[kind])
            made[kind] = {moment: (int(ended), wrong) for moment, ended, *wrong in lines}
        return made[kind]

    return told


@pytest.fixture
def template(tmp_path, save_picture, line, save_results):
    """Two pictures, of which one has a sidecar already."""
    folder = tmp_path / "template"
    for name in ("a.jpg", "b.png"):
        save_picture(folder / name)
    (folder / "b.png.xmp").write_bytes(EMPTY)
    save_results(folder / "results.jsonl", [line(name) for name in ("a.jpg", "b.png")])
    return folder


@pytest.mark.parametrize("moment", [moment for some in MOMENTS.values() for moment in some])
def test_a_killed_run_can_go_on_or_go_back(told, template, moment):
    kind = moment.split(":")[0]
    if kind != "sidecars" and shutil.which("exiftool") is None:
        pytest.skip("exiftool is not on the PATH (libimage-exiftool-perl has it)")
    assert told(kind, template)[moment] == (signal.SIGKILL, ["well"])
