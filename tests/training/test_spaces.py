"""Alignment in three spaces: it learns with and without texts, and resumes to the bit."""

import json
from functools import partial

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from graticule.alignment.location import LocationEncoderConfig
from graticule.alignment.policies import PolicyConfig
from graticule.alignment.spaces import SpacesAlignment, SpacesAlignmentConfig
from graticule.earth import s2
from graticule.earth.distance import unit_vectors
from graticule.errors import ConfigError, InputError
from graticule.training import shards, spaces
from graticule.training.frozen import FrozenAlignConfig
from graticule.training.loop import TrainingConfig, train
from graticule.training.recipe import checked
from graticule.training.schedule import Schedule
from graticule.training.shards import BLOCK_LEVEL, Records, encode_names, read_names, read_records, split_rows
from graticule.training.spaces import SpacesRecipe, SpacesTask, align_folder, retrieval

LOCATION = LocationEncoderConfig(sigmas=(1.0, 3.0), frequencies=16, hidden=32, layers=1, width=24)
RECIPE = SpacesRecipe(steps=6, batch=32, location=LOCATION, validation_share=0.2)


def world(count, seed, *, text=True):
    """Features are smooth functions of the place; every second place has a name, that of its quarter of the sky."""
    random = np.random.default_rng(seed)
    lat, lon = np.degrees(np.arcsin(random.uniform(-1, 1, count))), random.uniform(-180, 180, count)
    points = unit_vectors(lat, lon)
    phase = points @ (2 * np.random.default_rng(0).normal(size=(3, 8)))
    features = np.concatenate([np.cos(phase), np.sin(phase)], axis=1)
    names = np.random.default_rng(1).normal(size=(8, 12))[(points > 0) @ [1, 2, 4]]
    names[::2] = 0
    return Records(
        torch.from_numpy(features).half(),
        torch.from_numpy(np.stack([lat, lon], axis=1)),
        torch.from_numpy(names).half() if text else None,
    )


def task(*, text=True, policy="none", **changed):
    alignment = SpacesAlignmentConfig(
        feature_width=16, hidden=32, location=LOCATION, text_width=12 if text else None
    )
    config = FrozenAlignConfig(
        alignment=alignment,
        policy=PolicyConfig(name=policy),
        batch=32,
        queue=48,
        variogram_pairs=500,
        **changed,
    )
    return SpacesTask(config, world(600, 1, text=text), world(60, 2, text=text))


def run(trained, folder, steps=6, **changed):
    config = TrainingConfig(
        steps=steps,
        schedule=Schedule(),
        learning_rate=3e-3,
        validate_every=3,
        checkpoint_every_s=-1,
        bf16=False,
        **changed,
    )
    return train(trained, config, folder, report=lambda line: None)


@pytest.mark.parametrize("text", [True, False])
def test_it_learns(text, tmp_path):
    trained = task(text=text)
    before = trained.validate()["median_km"]
    run(trained, tmp_path, steps=120)
    after = trained.validate()
    assert (
        after["median_km"] < 1500 < 4000 < before
    )  # 500 places among which to choose at random: some 10,000 km
    found = retrieval(trained.alignment, world(600, 1, text=text), world(60, 2, text=text))
    assert found["nearest possible"]["median_km"]["value"] <= found["places"]["median_km"]["value"]
    assert ("pictures by text" in found) == text
    if text:
        # Another picture's name is chosen only where it is the same.
        data = world(200, 3)
        with torch.no_grad():
            best = (trained.alignment.texts(data.features.float()) @ data.text.float().T).argmax(1)
        named = data.text.any(1)
        right = (data.text[best] == data.text).all(1)[named]
        assert right.float().mean() > 0.6


def test_each_part_gets_a_gradient():
    trained = task()
    loss, figures = trained.loss(0)
    loss.backward()
    assert all(p.grad.abs().sum() > 0 for p in trained.model.parameters())
    assert figures["place"] + figures["text"] == pytest.approx(loss.item(), rel=1e-5)


def test_rows_without_text_do_not_move_the_text_head():
    trained = task()
    trained._text = torch.zeros_like(trained._text)
    trained.loss(0)[0].backward()
    assert all(p.grad.abs().sum() == 0 for p in trained.alignment.text_head.parameters())


@pytest.mark.parametrize(
    ("text", "policy", "refit_every"), [(True, "none", None), (False, "semivariogram", 3)]
)
def test_resumed_equals_uninterrupted_to_the_bit(text, policy, refit_every, tmp_path):
    def fresh():
        return task(text=text, policy=policy, refit_every=refit_every)

    run(fresh(), tmp_path / "whole")
    for at in (1, 4):
        stopped = fresh()
        compute = stopped.loss

        def loss(step, at=at, compute=compute):
            if step == at:
                raise KeyboardInterrupt
            return compute(step)

        stopped.loss = loss
        with pytest.raises(KeyboardInterrupt):
            run(stopped, tmp_path / "resumed")
    run(fresh(), tmp_path / "resumed")
    for name in ("checkpoint.safetensors", "best.safetensors"):
        expected, found = load_file(tmp_path / "whole" / name), load_file(tmp_path / "resumed" / name)
        assert expected.keys() == found.keys()
        assert all(torch.equal(found[key], tensor) for key, tensor in expected.items())


def test_validation_keeps_whole_cells_whatever_the_order():
    random = np.random.default_rng(0)
    centres = random.uniform((-60, -180), (60, 180), (60, 2))
    lat_lon = torch.from_numpy(np.repeat(centres, 5, axis=0) + random.normal(scale=1e-3, size=(300, 2)))
    learn, judge = split_rows(lat_lon, 0.2)
    assert sorted([*learn.tolist(), *judge.tolist()]) == list(range(300))
    assert 50 <= len(judge) <= 80
    cells = s2.cell_ids(*lat_lon.T.numpy(), level=BLOCK_LEVEL)
    assert not set(cells[learn]) & set(cells[judge])
    order = torch.from_numpy(random.permutation(300))
    shuffled = split_rows(lat_lon[order], 0.2)[1]
    assert set(order[shuffled].tolist()) == set(judge.tolist())
    with pytest.raises(ConfigError, match="lie in 1 cells"):
        split_rows(torch.tensor([[1.0, 2.0]], dtype=torch.float64).repeat(9, 1), 0.2)


def write(folder, *, text=True, names=False):
    folder.mkdir(exist_ok=True)
    data = world(200, 5, text=text)
    for number, rows in enumerate(torch.arange(200).split(120)):
        part = data[rows]
        tensors = {"features": part.features, "lat_lon": part.lat_lon}
        if text and number == 0:
            tensors["text"] = part.text
        save_file(tensors, folder / f"shard-{number:03d}.safetensors")
        if names and number == 0:
            lines = [["Paris", "", "Lyon, France"][k % 3] for k in range(len(part))]
            (folder / f"shard-{number:03d}.txt").write_text("\n".join(lines) + "\n")
    return folder


class FakeTower:
    asked: list[str] = []  # noqa: RUF012

    @classmethod
    def from_folder(cls, folder, *, device):
        return cls()

    @staticmethod
    def digest(folder):
        return (folder / "weights").read_text()

    def encode(self, texts):
        self.asked.extend(texts)
        return torch.tensor([[float(len(text)), 1.0, 0.0] for text in texts])


def test_records_are_read_in_order_with_zeros_for_no_text(tmp_path):
    records, data = read_records(write(tmp_path)), world(200, 5)
    assert torch.equal(records.features[:], data.features)
    assert torch.equal(records.lat_lon, data.lat_lon)
    assert torch.equal(records.text[:120], data.text[:120])
    assert not records.text[120:].any()
    assert read_records(write(tmp_path / "plain", text=False)).text is None


def test_names_are_encoded_once_and_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(shards, "ClipText", FakeTower)
    FakeTower.asked.clear()
    names = read_names(write(tmp_path / "a", names=True))
    assert len(names) == 200
    for clip in ("here", "moved", "other"):
        (tmp_path / clip).mkdir()
        (tmp_path / clip / "weights").write_text("of another" if clip == "other" else "of one")
    kept = partial(encode_names, cache=tmp_path / "cache", report=lambda line: None)
    for clip in ("here", "here", "moved"):
        text = kept(names, tmp_path / clip)
    assert FakeTower.asked == ["Lyon, France", "Paris"]
    assert text[:3].tolist() == [[5, 1, 0], [0, 0, 0], [12, 1, 0]]
    assert not text[120:].any()
    kept(names, tmp_path / "other")
    assert len(FakeTower.asked) == 4
    monkeypatch.setattr(shards, "_NAMES_AT_ONCE", 1)
    assert kept(["Rome", "Oslo"], tmp_path / "here", deadline=-1) is None
    assert FakeTower.asked[4:] == ["Oslo"]


def test_a_folder_is_aligned_stopped_and_gone_on_with(tmp_path):
    folder, said = write(tmp_path / "features"), []
    for name, budgets in (("whole", [60]), ("halting", [-1, -1, 60])):
        done = [
            align_folder(folder, tmp_path / name, RECIPE, report=said.append, stop_after_s=s) for s in budgets
        ]
        assert done == [s > 0 for s in budgets]
    assert "resumed at step 2 of 6" in said
    for name in ("alignment.safetensors", "config.json"):
        assert (tmp_path / "whole" / name).read_bytes() == (tmp_path / "halting" / name).read_bytes()
    config = SpacesAlignment.from_folder(tmp_path / "whole").config
    assert config.widths == {"image": 16, "location": 16, "text": 12}
    card = (tmp_path / "whole" / "MODEL_CARD.md").read_text()
    assert "200 pictures, 60 of them with a text" in card
    assert "| pictures by all |" in card
    assert "nearest possible" in json.loads((tmp_path / "whole" / "config.json").read_text())["retrieval"]
    with pytest.raises(ConfigError, match="other settings or pictures"):
        align_folder(folder, tmp_path / "whole", RECIPE.model_copy(update={"seed": 1}), report=said.append)
    assert RECIPE.device != "cpu"
    elsewhere = RECIPE.model_copy(update={"device": "cpu"})
    assert align_folder(folder, tmp_path / "whole", elsewhere, report=said.append)
    (folder / "shard-001.safetensors").unlink()
    with pytest.raises(ConfigError, match="other settings or pictures"):
        align_folder(folder, tmp_path / "whole", RECIPE, report=said.append)


def broken(**changed):
    tensors = {"features": torch.ones(3, 4), "lat_lon": torch.ones(3, 2, dtype=torch.float64), **changed}
    return {name: tensor for name, tensor in tensors.items() if tensor is not None}


@pytest.mark.parametrize(
    ("tensors", "said"),
    [
        (broken(features=None), "can't be read as features and lat_lon"),
        (broken(lat_lon=torch.ones(2, 2)), r"not \(N, F\) and \(N, 2\)"),
        (broken(features=torch.ones(3)), r"not \(N, F\) and \(N, 2\)"),
        (broken(text=torch.ones(2, 4)), "not a vector for each of 3 rows"),
        (broken(lat_lon=torch.tensor([[0.0, 0.0], [91.0, 0.0], [0.0, 0.0]])), "row 1 holds"),
        (broken(lat_lon=torch.full((3, 2), torch.nan)), "row 0 holds"),
        (broken(features=torch.full((3, 4), 1e9)), "row 0 holds"),
    ],
)
def test_a_shard_that_is_none_is_refused_by_name(tmp_path, tensors, said):
    save_file(tensors, tmp_path / "shard-7.safetensors")
    with pytest.raises(InputError, match=rf"shard-7\.safetensors: .*{said}"):
        read_records(tmp_path)


def test_folders_and_names_that_can_not_be_used_are_refused(tmp_path):
    with pytest.raises(InputError, match="holds no shard"):
        read_records(tmp_path)
    folder = write(tmp_path / "a")
    with pytest.raises(InputError, match="names a place"):
        read_names(folder)
    (folder / "shard-001.txt").write_text("Paris\n")
    with pytest.raises(InputError, match=r"shard-001\.txt: 1 lines for 80 rows"):
        read_names(folder)
    save_file(broken(), folder / "shard-9.safetensors")
    with pytest.raises(InputError, match="of several models"):
        read_records(folder)


def test_settings_that_make_no_sense_are_named():
    for settings, said in (
        ({"policy": {"name": "magic"}}, "policy: .*no 'magic'"),
        ({"policy": {"beta_hard": -1}}, "policy.beta_hard"),
        ({"steps": 0}, "steps"),
        ({"learning_rate": float("nan")}, "learning_rate"),
    ):
        with pytest.raises(ConfigError, match=said):
            checked(SpacesRecipe, settings)


def test_the_gallery_has_a_bound(monkeypatch):
    monkeypatch.setattr(spaces, "GALLERY_ROWS", 1)
    found = retrieval(task().alignment, world(50, 1), world(20, 2))
    assert len({result["median_km"]["value"] for result in found.values()}) == 1
