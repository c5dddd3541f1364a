"""Training the reward model, on the tiny model of the tiny world."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from graticule.earth.distance import haversine_km
from graticule.errors import ConfigError
from graticule.tokens.reward import RewardModel
from graticule.training import reward_samples, share
from graticule.training.distributed import Part
from graticule.training.examples import Examples
from graticule.training.reward import default_near_km, train_reward
from graticule.training.reward_pictures import OrbitViews
from graticule.training.reward_samples import Samples
from graticule.training.reward_task import RewardRecipe, RewardTask, area_under_curve

SMALL = {
    "near_km": 2000,
    "views": 12,
    "validation_views": 8,
    "samples": 4,
    "batch": 4,
    "steps": 3,
    "hidden": 8,
    "temperature": 0.7,
}


def recipe(**changed):
    return RewardRecipe.of(**{**SMALL, **changed})


def pictures(model, count=6):
    features = torch.randn(count, 16, generator=torch.Generator().manual_seed(0))
    places = torch.from_numpy(np.random.default_rng(0).uniform((-60, -180), (75, 180), (count, 2)))
    return Examples.looked_up(
        features, places, alignment=model.alignment, gallery=model.gallery, neighbours=model.config.neighbours
    )


def test_samples_are_distinct_counted_and_measured(tiny_model):
    some = pictures(tiny_model)
    found = Samples.draw(tiny_model.geotoken, some, sampling=recipe(samples=8).sampling())
    assert found.counts.sum(1).tolist() == [8] * 6
    for tokens, counts, km, truth in zip(found.tokens, found.counts, found.km, some.places, strict=True):
        real = counts > 0
        assert len(tokens[real].unique(dim=0)) == real.sum()
        lat, lon = tiny_model.cell_model.scheme.centres(tokens.numpy())
        np.testing.assert_allclose(km, haversine_km(lat, lon, *truth.numpy()))


def test_a_picture_s_samples_depend_on_its_row_alone_and_on_the_seed(tiny_model):
    geotoken, six = tiny_model.geotoken, pictures(tiny_model)
    some = Samples.draw(geotoken, six, sampling=recipe().sampling(), rows=torch.arange(3))
    every = Samples.draw(geotoken, six, sampling=recipe().sampling())
    assert torch.equal(some.tokens, every.tokens[:3])
    assert torch.equal(some.counts, every.counts[:3])
    other = Samples.draw(geotoken, six, sampling=recipe(seed=1).sampling())
    assert not torch.equal(other.tokens, every.tokens)


def test_the_task_leaves_the_base_alone_and_learns_all_of_its_own(tiny_model):
    geotoken, six = tiny_model.geotoken, pictures(tiny_model)
    data = six, Samples.draw(geotoken, six, sampling=recipe().sampling())
    task = RewardTask(recipe(), geotoken, data, data)
    before = {name: value.clone() for name, value in tiny_model.geotoken.state_dict().items()}
    loss, _ = task.loss(0)
    loss.backward()
    assert all(parameter.grad is not None for parameter in task.model.parameters())
    assert torch.equal(task.loss(0)[0], loss)
    halves = [task.part_loss(0, Part(number, 2))[0] for number in range(2)]
    torch.testing.assert_close(sum(halves) / 2, loss)
    assert all(torch.equal(value, before[n]) for n, value in tiny_model.geotoken.state_dict().items())
    figures = task.validate()
    assert 0 <= figures["accuracy"] <= 1
    assert figures["score"] == figures["auc"]
    with pytest.raises(ConfigError, match="64 of 6 training pictures"):
        RewardTask(recipe(batch=64), geotoken, data, data)


def test_stopped_and_resumed_it_writes_the_same_folder(tiny_model, mosaic, tmp_path):
    lines = []
    for name in ("once", "often"):
        stop = 0.0 if name == "often" else float("inf")
        done = train_reward(
            tiny_model,
            OrbitViews(mosaic),
            tmp_path / name,
            recipe(),
            report=lines.append,
            stop_after_s=stop,
        )
        assert done == (name == "once")
    assert not (tmp_path / "often" / "manifest.json").exists()
    assert train_reward(tiny_model, OrbitViews(mosaic), tmp_path / "often", recipe(), report=lines.append)
    assert any("resumed at step 1 of 3" in line for line in lines)
    for part in ("config.json", "reward.safetensors"):
        once, often = ((tmp_path / name / part).read_bytes() for name in ("once", "often"))
        assert once == often
    assert RewardModel.from_folder(tmp_path / "once").config.near_km == 2000
    card = (tmp_path / "once" / "MODEL_CARD.md").read_text()
    assert "AUC" in card
    assert "2000 km" in card
    with pytest.raises(ConfigError, match="other settings, other pictures or another model"):
        train_reward(tiny_model, OrbitViews(mosaic), tmp_path / "once", recipe(seed=1), report=lines.append)


def test_samples_are_kept_in_parts_each_drawn_once(tiny_model, tmp_path, monkeypatch):
    monkeypatch.setattr(reward_samples, "_SHARD_ROWS", 4)
    geotoken, ten = tiny_model.geotoken, pictures(tiny_model, 10)
    sampling, said = recipe().sampling(), []

    def kept(deadline):
        return Samples.kept(geotoken, ten, tmp_path, sampling=sampling, report=said.append, deadline=deadline)

    for parts in (1, 2):
        assert kept(-math.inf) is None
        assert len(list(tmp_path.iterdir())) == len(said) == parts
    found, expected = kept(-math.inf), Samples.draw(geotoken, ten, sampling=sampling)
    for name in Samples.model_fields:
        assert torch.equal(getattr(found, name), getattr(expected, name))
    assert torch.equal(kept(-math.inf).tokens, expected.tokens)
    assert len(said) == 3


def test_processes_share_the_parts_and_stop_together(tiny_model, tmp_path, monkeypatch):
    geotoken, ten = tiny_model.geotoken, pictures(tiny_model, 10)
    sampling, said = recipe().sampling(), []
    monkeypatch.setattr(reward_samples, "_SHARD_ROWS", 4)
    monkeypatch.setattr(share, "world_size", lambda: 2)
    monkeypatch.setattr(share, "from_main", lambda missing: [0, 1, 2])

    def kept(rank, *, other_stops):
        monkeypatch.setattr(share, "rank", lambda: rank)
        monkeypatch.setattr(share, "agreed", lambda late: late or other_stops)
        return Samples.kept(geotoken, ten, tmp_path, sampling=sampling, report=said.append, deadline=math.inf)

    assert kept(0, other_stops=True) is None
    assert [line.split("part ")[1] for line in said] == ["1 of 3", "3 of 3"]
    found = kept(1, other_stops=False)
    assert said[2:] == [said[0].replace("part 1", "part 2")]
    assert torch.equal(found.tokens, Samples.draw(geotoken, ten, sampling=sampling).tokens)


def test_a_run_belongs_to_its_pictures_and_its_model(tiny_model, mosaic, tmp_path):
    def stopped(model, pictures):
        return train_reward(model, pictures, tmp_path, recipe(), report=lambda line: None, stop_after_s=0)

    assert not stopped(tiny_model, OrbitViews(mosaic))
    assert not stopped(tiny_model, OrbitViews(mosaic))
    gallery = tiny_model.gallery
    for model, looked_at in (
        (tiny_model, replace(mosaic, pixels=mosaic.pixels.flip(0))),
        (replace(tiny_model, gallery=replace(gallery, lat_lon=gallery.lat_lon.flip(0))), mosaic),
    ):
        with pytest.raises(ConfigError, match="other pictures or another model"):
            stopped(model, OrbitViews(looked_at))


def test_near_has_a_default_for_each_kind_of_picture(tiny_model):
    assert default_near_km(tiny_model) == 50
    photos = type("Photos", (), {"config": type("Config", (), {"domain": "street-level photos"})})
    assert default_near_km(photos) == 200


@pytest.mark.parametrize(
    "wrong", [{"near_km": 0}, {"samples": 0}, {"temperature": 0}, {"views": -1}, {"learning_rate": math.inf}]
)
def test_settings_that_make_no_sense_are_named(wrong):
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        recipe(**wrong)


def test_the_area_is_the_chance_that_near_beats_far():
    random = np.random.default_rng(0)
    scores = random.integers(0, 6, 40).astype(float)
    near, counts = random.random(40) < 0.4, random.integers(1, 5, 40)
    s, n = np.repeat(scores, counts), np.repeat(near, counts)
    pairs = s[n][:, None] - s[~n]
    expected = ((pairs > 0) + 0.5 * (pairs == 0)).mean()
    assert area_under_curve(scores, near, counts) == pytest.approx(expected)
    assert area_under_curve(scores, np.ones(40, dtype=bool), counts) == 0.5
