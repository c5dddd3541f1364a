"""The shipped model's recipe, and the run that follows it. Stopping and resuming it: tests/cli/test_train.py."""

import json
import shutil

import numpy as np
import pytest
import torch

from graticule.errors import ConfigError
from graticule.evaluation.markdown import difference_table, method_table
from graticule.evaluation.report import evaluate
from graticule.model import Model
from graticule.training.card import model_card
from graticule.training.examples import Examples
from graticule.training.geotoken import GeoTokenTask
from graticule.training.loop import TrainingResult
from graticule.training.orbit import OrbitRecipe, read_recipe, train_orbit


@pytest.fixture
def written(tmp_path):
    def written(content):
        path = tmp_path / "recipe.json"
        path.write_text(content if isinstance(content, str) else json.dumps(content))
        return path

    return written


def test_without_a_file_it_is_the_shipped_recipe():
    assert read_recipe(None) == OrbitRecipe()


def test_what_a_file_does_not_name_stays_as_shipped(written):
    shipped = OrbitRecipe().model_dump()
    assert read_recipe(written({})) == OrbitRecipe()
    changed = read_recipe(written({"align": {"encoder": {"turns": 2}, "batch": 64}, "gallery_rows": 7}))
    expected = json.loads(json.dumps(shipped))
    expected["align"]["encoder"]["turns"], expected["align"]["batch"], expected["gallery_rows"] = 2, 64, 7
    assert json.loads(changed.model_dump_json()) == expected


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({"algin": {}}, "algin"),
        ({"align": {"bacth": 3}}, "bacth"),
        ({"align": {"encoder": {"layers": 3}}}, "layers"),
        ({"align": {"alignment": {"location": {"sigma": 3}}}}, "sigma"),
        ({"align_training": {"schedule": {"warm_up": 3}}}, "warm_up"),
        ({"geotoken": {"geotoken": {"widht": 3}}}, "widht"),
        ({"align": {"batch": "many"}}, "batch"),
        ({"align": {"encoder": {"width": 100}}}, "the encoder gives features 100 wide"),
        ([], "recipe"),
        ("{", "recipe.json"),
    ],
)
def test_what_is_no_setting_is_named(written, content, said):
    with pytest.raises(ConfigError, match=said) as refusal:
        read_recipe(written(content))
    assert "recipe.json" in str(refusal.value)


def test_a_missing_recipe_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"gone\.json"):
        read_recipe(tmp_path / "gone.json")


@pytest.mark.usefixtures("tiny_world")
def test_a_folder_belongs_to_one_recipe(recipe, tiny_run, tmp_path):
    run, _ = tiny_run
    before = (run / "recipe.json").read_bytes()
    with pytest.raises(ConfigError, match=r"recipe\.json: this folder's run has other settings"):
        train_orbit(recipe.model_copy(update={"gallery_rows": 199}), run, tmp_path / "out")
    assert (run / "recipe.json").read_bytes() == before
    assert not (tmp_path / "out").exists()


def test_every_stage_leaves_its_log_and_best(tiny_run, recipe):
    run, _ = tiny_run
    for stage, training in (
        ("align", recipe.align_training),
        ("classifier", recipe.classifier_training),
        ("geotoken", recipe.geotoken_training),
    ):
        lines = [json.loads(line) for line in (run / stage / "log.jsonl").read_text().splitlines()]
        validated = [line["step"] for line in lines if "validation" in line]
        assert validated[-1] == training.steps
        assert (run / stage / "best.safetensors").exists()


def test_the_model_folder_is_a_model_with_a_card(tiny_model_folder, recipe):
    model = Model.open(tiny_model_folder)
    assert len(model.gallery) == recipe.gallery_rows
    assert model.config.geotoken == recipe.geotoken.geotoken
    norms = model.gallery.vectors.norm(dim=1)
    torch.testing.assert_close(norms, torch.ones_like(norms))
    card = (tiny_model_folder / "MODEL_CARD.md").read_text()
    settings = json.loads(card.partition("```json")[2].partition("```")[0])
    assert settings == recipe.model_dump(mode="json")


def test_the_card_holds_what_the_written_files_score(tiny_model_folder, tiny_model, recipe, mosaic):
    card = (tiny_model_folder / "MODEL_CARD.md").read_text()
    report = evaluate(tiny_model, source="orbit", split="test", views=recipe.card_views, mosaic=mosaic)
    assert "**Results** on 64 fresh noisy test views" in card
    assert method_table(report.to_dict()) in card
    assert difference_table(report.to_dict()) in card


@pytest.mark.usefixtures("tiny_world")
def test_a_model_is_called_what_its_recipe_says(recipe, tiny_run, tmp_path):
    run, folder = tiny_run
    assert Model.open(folder).config.name == recipe.name == "orbit"
    shutil.copytree(run, tmp_path / "run")
    named = recipe.model_copy(update={"name": "mine"})
    (tmp_path / "run" / "recipe.json").write_text(
        (run / "recipe.json").read_text().replace('"name": "orbit"', '"name": "mine"')
    )
    assert train_orbit(named, tmp_path / "run", tmp_path / "out", report=lambda line: None)
    assert Model.open(tmp_path / "out").config.name == "mine"
    assert (tmp_path / "out" / "MODEL_CARD.md").read_text().startswith("# Model card: mine\n")


def test_the_card_says_how_long_and_how_good():
    result = TrainingResult(step=9, best_score=4512.3, best_step=8, seconds=125, finished=True)
    card = model_card({"name": "mine", "seed": 3}, {"align": result}, results=None)
    assert card.startswith("# Model card: mine\n")
    assert "not judged yet" in card
    assert "align 2 min (best validation GeoScore 4512 at step 8)" in card
    assert '"seed": 3' in card
    assert "not* a model of street-level photos" in card


# --- GeoToken's task ---------------------------------------------------------------------------------------


def examples(model, *counts):
    """Random pictures: to learn from, and for validation."""
    for count in counts:
        lat_lon = np.random.default_rng(0).uniform((-60, -180), (75, 180), (count, 2))
        yield Examples.looked_up(
            torch.randn(count, 16, generator=torch.Generator().manual_seed(0)).half(),
            torch.from_numpy(lat_lon),
            alignment=model.alignment,
            gallery=model.gallery,
            neighbours=model.config.neighbours,
        )


def test_each_epoch_is_a_permutation_of_its_own(recipe, tiny_model):
    task = GeoTokenTask(recipe.geotoken.model_copy(update={"batch": 10}), *examples(tiny_model, 35, 20))
    epochs = [torch.cat([task._batch_rows(3 * epoch + step) for step in range(3)]) for epoch in (0, 1)]
    for rows in epochs:
        assert len(rows.unique()) == 30
        assert rows.max() < 35
    assert not torch.equal(*epochs)
    assert torch.equal(task._batch_rows(1), epochs[0][10:20])


def test_a_batch_larger_than_the_data_is_refused(recipe, tiny_model):
    with pytest.raises(ConfigError, match="batch: 64 of 63 training pictures"):
        GeoTokenTask(recipe.geotoken, *examples(tiny_model, 63, 20))


@pytest.mark.parametrize(("soft_scale", "soft_floor_km"), [(0.0, 0.0), (0.2, 0.0), (0.0, 5.0)])
def test_soft_answers_are_taught_where_asked(recipe, tiny_model, monkeypatch, soft_scale, soft_floor_km):
    softness = {"soft_scale": soft_scale, "soft_floor_km": soft_floor_km}
    task = GeoTokenTask(recipe.geotoken.model_copy(update=softness), *examples(tiny_model, 64, 20))
    taught = []
    monkeypatch.setattr(
        task.model, "loss", lambda query, tokens, *, targets: taught.append((query, tokens, targets))
    )
    task.loss(0)
    [(query, tokens, targets)] = taught
    assert query.batch_size == len(tokens) == 64
    if not any(softness.values()):
        assert targets is None
        return
    for size, token, target in zip((6, 16, 16), tokens.T, targets, strict=True):
        torch.testing.assert_close(target.sum(1), torch.ones(64))
        assert target.shape == (64, size)
        # The likeliest child is nearly always the true one; a neighbour's centre may be as near.
        assert (target.argmax(1) == token).float().mean() > 0.8


def test_validation_rows_are_drawn_from_all(recipe, tiny_model):
    settings = recipe.geotoken.model_copy(update={"validation_rows": 20})
    training, validation = examples(tiny_model, 64, 60)
    chosen = [GeoTokenTask(settings, training, validation)._validation.chosen for _ in range(2)]
    assert torch.equal(*chosen)
    assert len(chosen[0].unique()) == 20
    assert chosen[0].max() >= 40


def test_several_processes_are_refused_before_anything_is_written(recipe, tmp_path, monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(ConfigError, match="start it without torchrun"):
        train_orbit(recipe, tmp_path / "run", tmp_path / "out")
    assert not list(tmp_path.iterdir())
