"""From a recipe to answers by the command line alone, on the tiny world."""

import json
from pathlib import Path

import pytest

from graticule.training.orbit import OrbitRecipe

pytestmark = pytest.mark.usefixtures("tiny_world")


@pytest.fixture
def train(run, recipe_file, tmp_path):
    def train(*arguments):
        return run(
            "train", "orbit", "--recipe", recipe_file, "--run", tmp_path / "run", "--out", tmp_path / "out",
            *arguments,
        )  # fmt: skip

    return train


def test_stopped_and_resumed_it_makes_the_same_model(train, tmp_path, tiny_model_folder):
    for step in (1, 2):
        status, out, _ = train("--minutes", 0)
        assert status == 0
        assert "stage 1 of 6: align" in out
        assert "stopped; run the same command again to go on" in out
        assert (f"resumed at step {step - 1} of 6" in out) == (step > 1)
        assert list((tmp_path / "out").iterdir()) == []
    status, out, _ = train()
    assert status == 0
    assert "resumed at step 2 of 6" in out
    assert f"finished: {tmp_path}/out" in out
    parts = sorted(path.name for path in tiny_model_folder.iterdir())
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == parts
    for name in parts:
        if name not in ("MODEL_CARD.md", "manifest.json"):  # the card tells how long it took
            assert (tmp_path / "out" / name).read_bytes() == (tiny_model_folder / name).read_bytes(), name


def test_a_finished_run_is_not_trained_again(run, recipe_file, tiny_run, tmp_path):
    folder, _ = tiny_run
    before = (folder / "geotoken" / "best.safetensors").stat().st_mtime_ns
    status, out, _ = run(
        "train", "orbit", "--recipe", recipe_file, "--run", folder, "--out", tmp_path / "again"
    )
    assert status == 0
    assert "resumed at step 6 of 6" in out
    assert "shard" not in out
    assert (folder / "geotoken" / "best.safetensors").stat().st_mtime_ns == before
    assert (tmp_path / "again" / "manifest.json").exists()


def test_wrong_use_is_named(run, train, tmp_path):
    for arguments, named in (
        (["--recipe", tmp_path / "gone.json"], "--recipe"),
        (["--minutes", "-1"], "--minutes"),
        (["--minutes", "soon"], "--minutes"),
        (["--epochs", "3"], "--epochs"),
    ):
        status, _, err = train(*arguments)
        assert status == 2
        assert named in err
    (tmp_path / "typo.json").write_text('{"align": {"bacth": 3}}')
    status, _, err = train("--recipe", tmp_path / "typo.json")
    assert status == 2
    assert "bacth" in err
    assert not (tmp_path / "run").exists()
    assert not (tmp_path / "out").exists()


def test_what_cannot_be_written_is_known_before_training(run, recipe_file, tmp_path):
    (tmp_path / "file").write_text("")
    for folders in (["--run", "run", "--out", "file/out"], ["--run", "file/run", "--out", "out"]):
        paths = [part if part.startswith("--") else tmp_path / part for part in folders]
        status, out, err = run("train", "orbit", "--recipe", recipe_file, *paths)
        assert status == 2
        assert "this folder can't be made" in err
        assert "stage" not in out


def test_folders_have_defaults(run, recipe_file, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    status, out, _ = run("train", "orbit", "--recipe", recipe_file, "--minutes", 0)
    assert status == 0
    assert "stopped" in out
    assert (tmp_path / "runs" / "orbit" / "recipe.json").exists()
    assert (tmp_path / "models" / "orbit").is_dir()
    asked = []
    monkeypatch.setattr(
        "graticule.training.orbit.train_orbit",
        lambda recipe, folder, out, **rest: asked.append((recipe, folder, out)) or True,
    )
    status, out, _ = run("train", "orbit")
    assert status == 0
    assert "finished: models/orbit" in out
    assert asked == [(OrbitRecipe(), Path("runs/orbit"), Path("models/orbit"))]


def test_render_locate_and_evaluate(run, mosaic_file, tiny_model_folder, tmp_path, monkeypatch):
    monkeypatch.setenv("COLUMNS", "100")  # in fewer, the names of methods are folded
    views = tmp_path / "views"
    status, out, _ = run(
        "orbit", "render", "--mosaic", mosaic_file, "--views", 6, "--seed", 1, "--out", views
    )
    assert status == 0
    assert "6 views and truth.csv" in out

    status, out, err = run("locate", views, "--model", tiny_model_folder, "--format", "jsonl", "--top-k", 3)
    assert (status, err) == (0, "")
    lines = [json.loads(line) for line in out.splitlines()]
    assert [line["path"] for line in lines] == [str(views / f"view-{n:06d}.png") for n in range(6)]
    for line in lines:
        assert line.keys() >= {"path", "latitude", "longitude", "radius_km", "candidates", "model"}
        assert len(line["candidates"]) == 3
        assert line["candidates"][0].keys() == {"latitude", "longitude", "probability", "cell"}

    truth = ["--images", views, "--truth", views / "truth.csv"]
    status, out, _ = run("evaluate", "--model", tiny_model_folder, *truth, "--format", "json")
    assert status == 0
    assert json.loads(out)["summaries"]["GeoToken, beam"]["count"] == 6
    status, out, _ = run("evaluate", "--model", tiny_model_folder, "--source", "orbit", "--views", 8)
    assert status == 0
    assert "GeoToken, greedy" in out
    assert "8 pictures" in out


def test_exit_status_of_refusals_and_of_models_that_are_none(run, views_folder, tiny_model_folder, tmp_path):
    (tmp_path / "page.png").write_text("<html>")
    picture = views_folder / "view-000000.png"
    status, out, err = run(
        "locate", picture, tmp_path / "page.png", "--model", tiny_model_folder, "--format", "jsonl"
    )
    assert status == 1
    assert [("error" in json.loads(line)) for line in out.splitlines()] == [False, True]
    assert "1 of 2 pictures refused" in err

    status, out, err = run("locate", picture, "--model", "atlantis")
    assert (status, out) == (2, "")
    assert "graticule train" in err

    broken = tmp_path / "broken"
    broken.mkdir()
    for path in tiny_model_folder.iterdir():
        (broken / path.name).write_bytes(path.read_bytes())
    (broken / "geotoken.safetensors").write_bytes(b"\x80\x04.")
    for command in (["locate", picture], ["evaluate", "--source", "orbit", "--views", 2]):
        status, out, err = run(*command, "--model", broken)
        assert (status, out) == (2, "")
        assert "geotoken.safetensors: its SHA-256 is not the manifest's" in err

    (tmp_path / "world.png").write_text("no")
    status, _, err = run(
        "orbit",
        "render",
        "--mosaic",
        tmp_path / "world.png",
        "--views",
        1,
        "--seed",
        0,
        "--out",
        tmp_path / "v",
    )
    assert status == 2
    assert "world.png" in err
