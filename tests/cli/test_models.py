"""`graticule models`: what there is, what each knows, and how to get more."""

import sys
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import pytest

from graticule.store import save_folder


@pytest.fixture
def installed(tmp_path, monkeypatch):
    monkeypatch.setenv("GRATICULE_MODELS", str(tmp_path / "models"))
    return tmp_path / "models"


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize("arguments", [["models"], ["models", "list"]])
def test_what_is_here_and_what_can_be_fetched(run, arguments):
    status, out, err = run(*arguments)
    assert (status, err) == (0, "")
    orbit, geoclip = (
        next(line for line in out.splitlines() if line.startswith(name)) for name in ("orbit", "geoclip")
    )
    for words in ("views from above", "MB", "Apache-2.0", "installed"):
        assert words in orbit
    for words in ("street-level photos", "about 860 MB", "MIT", "not installed"):
        assert words in geoclip
    assert "To get geoclip: graticule models pull geoclip" in out
    assert max(len(line) for line in out.splitlines()) <= 80


def test_installed_models_are_listed(run, installed):
    config = {"name": "geoclip", "domain": "street-level photos", "licence": "MIT"}
    save_folder(installed / "geoclip", config, {})
    _, out, _ = run("models")
    [line] = [line for line in out.splitlines() if line.startswith("geoclip")]
    assert "0 MB" in line
    assert "not installed" not in line
    assert line.rstrip().endswith("installed")


def test_one_damaged_model_does_not_hide_the_others(run, installed):
    (installed / "broken").mkdir(parents=True)
    (installed / "broken" / "manifest.json").write_text("no JSON")
    status, out, err = run("models")
    assert (status, err) == (0, "")
    assert "damaged" in out
    assert "orbit" in out


@dataclass(frozen=True)
class Item:
    what: str
    source: str
    bytes: int
    licence: str


class FakePlan:
    items = (Item("CLIP ViT-L/14", "https://hub.example/clip", 1_700_000_000, "MIT"),)
    total_bytes = 1_700_000_000
    installed = False

    def __init__(self, folder):
        self.folder = folder


@pytest.fixture
def fetching(monkeypatch, tmp_path):
    """Stands where `graticule.pull` does; remembers what it was asked."""
    module = ModuleType("graticule.pull")
    module.asked = []

    def plan(name, *, clip, wheel):
        module.asked.append((name, clip, wheel))
        return FakePlan(tmp_path / "models" / name)

    def pull(plan, *, report, progress):
        progress(1_700_000_000, 1_700_000_000)
        report("checked")
        module.asked.append("pulled")
        return plan.folder

    module.plan, module.pull = plan, pull
    monkeypatch.setitem(sys.modules, "graticule.pull", module)
    monkeypatch.setattr("graticule.pull", module, raising=False)
    return module


def test_what_comes_from_where_is_said_before_it_is_fetched(run, fetching, tmp_path):
    status, out, _ = run("models", "pull", "geoclip", "--yes")
    assert status == 0
    for words in ("CLIP ViT-L/14", "https://hub.example/clip", "1,700 MB", "MIT", "checked", "is installed"):
        assert words in out
    assert str(tmp_path / "models" / "geoclip") in out.replace("\n", "")
    assert fetching.asked == [("geoclip", None, None), "pulled"]


def test_what_is_installed_is_not_fetched_again(run, fetching, monkeypatch):
    monkeypatch.setattr(FakePlan, "installed", True)
    status, out, _ = run("models", "pull", "geoclip", "--yes")
    assert status == 0
    assert "installed already" in out
    assert "pulled" not in fetching.asked


@pytest.mark.parametrize("answer", ["n\n", "\n", ""])
def test_nothing_is_fetched_without_a_yes(run, fetching, monkeypatch, answer, tmp_path):
    said = tmp_path / "answer"
    said.write_text(answer)
    with said.open() as stream:
        monkeypatch.setattr("sys.stdin", stream)
        status, out, _ = run("models", "pull", "geoclip")
    assert status != 0
    assert "CLIP ViT-L/14" in out
    assert "pulled" not in fetching.asked


def test_what_is_on_this_machine_is_used(run, fetching, tmp_path):
    wheel = tmp_path / "geoclip.whl"
    wheel.write_bytes(b"")
    run("models", "pull", "geoclip", "--clip", tmp_path, "--wheel", wheel, "--yes")
    assert fetching.asked[0] == ("geoclip", Path(tmp_path), wheel)


def test_a_copy_that_is_not_there_is_wrong_use(run, fetching, tmp_path):
    status, _, err = run("models", "pull", "geoclip", "--clip", tmp_path / "gone", "--yes")
    assert status == 2
    assert "--clip" in err
    assert fetching.asked == []
