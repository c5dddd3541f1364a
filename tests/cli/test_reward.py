"""`graticule reward`: what it hands on, and how wrong use is told."""

import pytest


@pytest.fixture
def asked(monkeypatch, tiny_model):
    """What the command asks of training, which is stood in for."""
    calls = []
    monkeypatch.setattr("graticule.data.orbit.mosaic.training_mosaic_path", lambda: "mosaic")
    monkeypatch.setattr("graticule.data.orbit.mosaic.Mosaic.open", lambda path: path)
    monkeypatch.setattr("graticule.model.Model.open", lambda name: tiny_model)
    monkeypatch.setattr(
        "graticule.training.reward.train_reward",
        lambda model, mosaic, out, recipe, *, report, stop_after_s: (
            calls.append((out, recipe, stop_after_s)) or stop_after_s > 0
        ),
    )
    return calls


def test_it_hands_on_its_settings(run, asked, tmp_path):
    status, out, _ = run(
        "reward", "orbit", "--out", tmp_path, "--source", "orbit", "--views", 99, "--samples", 3,
        "--temperature", 0.5, "--near-km", 25, "--seed", 7,
    )  # fmt: skip
    assert (status, out) == (0, f"finished: {tmp_path}\n")
    [(folder, recipe, _)] = asked
    assert folder == tmp_path
    assert (recipe.views, recipe.samples, recipe.temperature) == (99, 3, 0.5)
    assert (recipe.near_km, recipe.seed) == (25, 7)


def test_settings_of_a_file_give_way_to_what_is_said(run, asked, tmp_path):
    path = tmp_path / "reward.yaml"
    path.write_text("views: 5\nnear_km: 120\nhidden: 16\n", encoding="utf-8")
    status, _, _ = run(
        "reward", "orbit", "--out", tmp_path, "--config", path, "--views", 7, "--device", "cpu"
    )
    assert status == 0
    recipe = asked[0][1]
    assert (recipe.views, recipe.near_km, recipe.hidden, recipe.device) == (7, 120, 16, "cpu")
    assert recipe.samples == 10


def test_near_depends_on_the_model_and_stopping_is_said(run, asked, tmp_path):
    status, out, _ = run("reward", "orbit", "--out", tmp_path, "--minutes", 0)
    assert (status, out) == (0, "stopped; run the same command again to go on\n")
    assert (asked[0][1].near_km, asked[0][1].device) == (50, "auto")


def test_wrong_use_is_told_without_a_traceback(run, asked, tmp_path):
    for arguments, named in (
        (["orbit"], "--out"),
        (["orbit", "--out", tmp_path, "--near-km", "-1"], "near_km"),
        (["orbit", "--out", tmp_path, "--samples", "0"], "samples"),
        (["orbit", "--out", tmp_path, "--source", "moon"], "--source"),
    ):
        status, _, err = run("reward", *arguments)
        assert status == 2, (arguments, err)
        assert named in err
        assert "Traceback" not in err
    assert not asked
