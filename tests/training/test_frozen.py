"""Alignment on frozen features: it learns, policies share their data, and a resumed run equals one never stopped."""

from contextlib import nullcontext

import numpy as np
import pytest
import torch

from graticule.alignment.location import LocationEncoderConfig
from graticule.alignment.model import AlignmentConfig
from graticule.alignment.policies import POLICIES, PolicyConfig
from graticule.alignment.queue import LocationQueue
from graticule.earth.distance import unit_vectors
from graticule.errors import ConfigError
from graticule.training.frozen import FrozenAlignConfig, FrozenAlignTask, FrozenLearner, retrieved_km
from graticule.training.loop import TrainingConfig, train
from graticule.training.schedule import Schedule

ALIGNMENT = AlignmentConfig(
    feature_width=24,
    hidden=32,
    location=LocationEncoderConfig(sigmas=(1.0, 4.0), frequencies=32, hidden=48, width=32),
)


def world(count, seed):
    """Pictures whose features are smooth functions of the place, and a little noise."""
    generator = np.random.default_rng(seed)
    lat = np.degrees(np.arcsin(generator.uniform(-1, 1, count)))
    lon = generator.uniform(-180, 180, count)
    waves = np.random.default_rng(0).normal(size=(3, 12)) * 4
    phase = unit_vectors(lat, lon) @ waves
    features = np.concatenate([np.cos(phase), np.sin(phase)], axis=1)
    features += 0.02 * generator.normal(size=features.shape)
    return torch.from_numpy(features).half(), torch.from_numpy(np.stack([lat, lon], axis=1))


TRAINING, VALIDATION = world(3000, 1), world(300, 2)


def task(**changed):
    settings = {
        "alignment": ALIGNMENT,
        "batch": 64,
        "queue": 128,
        "variogram_pairs": 20_000,
        "policy": PolicyConfig(name="none"),
    }
    return FrozenAlignTask(FrozenAlignConfig(**{**settings, **changed}), TRAINING, VALIDATION)


def loop(steps, **changed):
    settings = {"steps": steps, "learning_rate": 3e-3, "validate_every": 10_000, "bf16": False}
    return TrainingConfig(schedule=Schedule(kind="linear", warmup=10), **{**settings, **changed})


def quiet(line):
    pass


@pytest.mark.parametrize("policy", ["none", "semivariogram"])
def test_it_learns_where_pictures_were_taken(policy, tmp_path):
    trained = task(policy=PolicyConfig(name=policy, beta_false=1.0, beta_hard=1.0))
    before = trained.validate()
    train(trained, loop(150), tmp_path, report=quiet)
    after = trained.validate()
    assert before["median_km"] > 3000
    assert after["median_km"] < 700
    assert after["score"] > before["score"]


@pytest.mark.parametrize("name", POLICIES)
def test_every_policy_gives_a_finite_loss_and_gradients(name):
    running = task(policy=PolicyConfig(name=name, rho_km=500.0 if name == "distance-mask" else None))
    for step in range(3):
        loss, _ = running.loss(step)
        loss.backward()
    gradients = [p.grad for p in running.model.parameters()]
    assert loss.isfinite()
    assert all(g is not None and g.isfinite().all() for g in gradients)


def test_policies_see_the_same_batches_from_the_same_start():
    plain, other = task(), task(policy=PolicyConfig(name="shuffled"))
    for a, b in zip(plain.model.parameters(), other.model.parameters(), strict=True):
        assert torch.equal(a, b)
    for step in range(4):
        plain.loss(step)
        other.loss(step)
        assert torch.equal(plain.model.queue.past(), other.model.queue.past())
        assert torch.equal(plain.model.queue.features(), other.model.queue.features())


@pytest.mark.parametrize("group", [1, 8])
def test_an_epoch_shows_every_picture_at_most_once(group):
    running = task(group=group, batch=256)
    steps = 3000 // group * group // 256
    for epoch in range(2):
        rows = torch.cat([running._rows(epoch * steps + step) for step in range(steps)])
        assert len(rows.unique()) == len(rows) == steps * 256
    assert not torch.equal(running._rows(0), running._rows(steps))


def test_grouped_batches_hold_neighbours():
    def nearest(running):
        places = TRAINING[1][running._rows(0)]
        points = torch.from_numpy(unit_vectors(*places.T.numpy()))
        return torch.cdist(points, points).fill_diagonal_(9).min(dim=1).values.median()

    assert nearest(task(group=8)) < 0.5 * nearest(task(group=1))


def test_the_queue_keeps_clean_coordinates():
    running = task(batch_noise_m=50_000.0, queue_noise_m=50_000.0)
    running.loss(0)
    running.loss(1)
    known = {tuple(place) for place in TRAINING[1].tolist()}
    assert all(tuple(place) in known for place in running.model.queue.past().tolist())


def test_the_variogram_is_the_training_split_s_and_outlives_a_checkpoint():
    running = task(policy=PolicyConfig(name="semivariogram"))
    lags = torch.tensor([1.0, 50.0, 500.0, 5000.0, 20_000.0])
    curve = running.model.variogram.gamma(lags)
    assert (curve.diff() >= 0).all()
    assert curve[-1] > 3 * curve[0]
    again = FrozenLearner(running.config)
    again.load_state_dict(running.model.state_dict())
    assert torch.equal(again.variogram.gamma(lags), curve)


def test_a_policy_may_give_way_to_plain_infonce():
    shaped, until, plain = (
        task(policy=PolicyConfig(name=name, rho_km=500.0), policy_steps=steps)
        for name, steps in (("semivariogram", None), ("semivariogram", 2), ("none", None))
    )
    losses = [[running.loss(step)[0].item() for step in range(4)] for running in (shaped, until, plain)]
    assert losses[1] == losses[0][:2] + losses[2][2:]
    assert losses[0][2:] != losses[2][2:]


def test_refitting_follows_the_aligned_vectors():
    running = task(policy=PolicyConfig(name="semivariogram"), refit_every=2, refit_rows=1000)
    curves = []
    for step in range(5):
        loss, _ = running.loss(step)
        loss.backward()
        with torch.no_grad():
            for parameter in running.model.parameters():
                parameter -= 0.05 * parameter.grad.sign()
        curves.append(running.model.curve.clone())
    assert torch.equal(curves[0], curves[1])
    assert not torch.equal(curves[1], curves[2])
    assert torch.equal(curves[2], curves[3])


@pytest.mark.parametrize("refit", [None, 4])
def test_a_resumed_run_equals_one_never_stopped(refit, tmp_path):
    def make():
        return task(policy=PolicyConfig(name="semivariogram"), refit_every=refit, refit_rows=1000)

    whole, first, second = make(), make(), make()
    train(whole, loop(9), tmp_path / "whole", report=quiet)
    train(first, loop(9), tmp_path / "parts", report=quiet, stop_after_s=0)
    assert train(second, loop(9), tmp_path / "parts", report=quiet).finished
    for name, tensor in whole.model.state_dict().items():
        assert torch.equal(second.model.state_dict()[name], tensor), name


def test_answers_are_measured_from_the_truth():
    alignment = task().model.alignment
    gallery = VALIDATION[1][:50]
    km = retrieved_km(alignment, VALIDATION[0][:20], VALIDATION[1][:20], gallery)
    similarities = alignment.images(VALIDATION[0][:20].float()) @ alignment.locations(gallery).T
    answers = gallery[similarities.argmax(1)]
    at_home = (answers == VALIDATION[1][:20]).all(dim=1).numpy()
    assert km.shape == (20,)
    assert np.array_equal(km == 0, at_home)


def test_a_step_leaves_nothing_on_another_device(monkeypatch):
    """The device "meta" stands in for CUDA: it computes no numbers, but refuses to mix with the CPU."""
    running = task(local=2)
    running.loss(0)
    running.model.to("meta")
    here = torch.Tensor.cpu
    monkeypatch.setattr(
        torch.Tensor,
        "cpu",
        lambda self: torch.zeros(self.shape).to(self.dtype) if self.is_meta else here(self),
    )
    monkeypatch.setattr(torch, "autocast", lambda *_, **__: nullcontext())
    monkeypatch.setattr(LocationQueue, "__len__", lambda queue: 64)
    monkeypatch.setattr(LocationQueue, "push", lambda queue, lat_lon, features: None)
    loss, _ = running.loss(1)
    loss.backward()
    assert {p.grad.device.type for p in running.model.parameters()} == {"meta"}


def test_too_few_pictures_are_refused():
    with pytest.raises(ConfigError, match="batch: 5000 of 3000 training pictures"):
        task(batch=5000)


def test_validation_is_drawn_from_the_whole_split():
    """Pictures come country by country; half of these lie where features tell nothing."""
    half = len(VALIDATION[0]) // 2
    features = VALIDATION[0].clone()
    features[half:] = 0
    running = FrozenAlignTask(
        FrozenAlignConfig(
            alignment=ALIGNMENT, policy=PolicyConfig(name="none"), batch=64, validation_rows=half
        ),
        TRAINING,
        (features, VALIDATION[1]),
    )
    asked = []
    running.model.alignment.images = lambda rows: asked.append(rows) or torch.ones(len(rows), 32)
    running.validate()
    silent = int((torch.cat(asked) == 0).all(1).sum())
    assert half / 4 < silent < 3 * half / 4
