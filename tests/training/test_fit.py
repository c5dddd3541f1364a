"""From a folder of photos to a model of one's own: fair, resumable, and honest about what it is worth."""

import hashlib
import json
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from graticule.decoding.calibration import Calibration
from graticule.errors import ConfigError, InputError
from graticule.evaluation.calibration import observe
from graticule.evaluation.calibration_fit import fit
from graticule.locator import Geolocator
from graticule.lock import locked
from graticule.model import Model
from graticule.prediction import Prediction, Refusal
from graticule.training import fit as fitting
from graticule.training.fit import fit_folder
from graticule.training.fit_calibration import calibrate_on_few
from graticule.training.fit_choice import Part, candidates
from graticule.training.heads import HeadTask, head_training
from graticule.training.loop import train

COUNT = 240


@pytest.fixture(scope="module", autouse=True)
def _few_steps():
    """Fine-tuning for a moment only."""
    few = head_training(0).model_copy(update={"steps": 40, "validate_every": 20})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("graticule.training.fit.head_training", lambda seed: few)
        yield


@pytest.fixture(scope="module")
def views(mosaic):
    """Pixels and places of views of the tiny Earth."""
    from graticule.data.orbit.views import Views

    pixels, pose = Views(mosaic, "test", seed=3, size=32).batch(np.arange(COUNT))
    return pixels, torch.stack([pose.lat, pose.lon], dim=1)


@pytest.fixture(scope="module")
def folder(views, tmp_path_factory):
    """Photos with GPS and time in their EXIF, and a few without; not to be changed."""
    folder = tmp_path_factory.mktemp("photos")
    for row, (pixels, (lat, lon)) in enumerate(zip(*views, strict=True)):
        exif = Image.Exif()
        exif[0x010F] = "Maker"
        gps = {1: "S" if lat < 0 else "N", 2: (abs(float(lat)), 0.0, 0.0)}
        gps |= {3: "W" if lon < 0 else "E", 4: (abs(float(lon)), 0.0, 0.0)}
        exif.get_ifd(0x8825).update(gps)
        exif.get_ifd(0x8769)[0x9003] = f"20{row % 20:02}:0{row % 9 + 1}:{row % 27 + 1:02} 12:00:00"
        Image.fromarray(pixels.permute(1, 2, 0).numpy()).save(folder / f"{row:04}.png", exif=exif)
    Image.new("RGB", (8, 8)).save(folder / "no-place.jpg")
    broken = (folder / "0000.png").read_bytes()
    (folder / "broken.png").write_bytes(broken[: broken.index(b"IDAT") + 40])
    return folder


@pytest.fixture(scope="module")
def fitted(folder, tiny_model_folder, tmp_path_factory):
    """(model folder, lines of progress) of one run."""
    out, told = tmp_path_factory.mktemp("fitted") / "mine", []
    assert fit_folder(folder, out, encoder=str(tiny_model_folder), report=told.append)
    return out, "\n".join(told)


def digests(folder):
    return {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.iterdir()
        if path.is_file()
    }


def test_locate_takes_the_model_and_says_how_sure_it_is(fitted, folder):
    geolocator = Geolocator.load(fitted[0])
    assert geolocator.name == "mine"
    results = list(geolocator.locate([folder / "0001.png", folder / "broken.png"]))
    assert [type(result) for result in results] == [Prediction, Refusal]
    assert geolocator.model.calibration is not None
    assert geolocator.model.calibration.model == "mine"


def test_the_card_says_what_it_is_and_what_it_is_worth(fitted):
    out, told = fitted
    card = (out / "MODEL_CARD.md").read_text()
    report = json.loads((out / "run/report.json").read_text())
    count = next(iter(report["fitted"]["summaries"].values()))["count"]
    for words in (
        f"{COUNT} photos",
        f"{count} to be judged by",
        "1 not used: no EXIF",
        "GeoScore",
        "coordinates",
    ):
        assert words in card
    assert "as it is" in card
    assert "distances: haversine" in card
    assert f"{COUNT + 1} photos have a place that can be used\n  1 not used: no EXIF" in told
    assert "{" not in card.split("```")[0], "every blank is filled"


def test_every_photo_left_out_is_named(fitted):
    lines = map(json.loads, (fitted[0] / "run/unusable.jsonl").read_text().splitlines())
    said = {line["where"]: line["what"] for line in lines}
    assert set(said) == {"no-place.jpg", "broken.png"}
    assert "damaged" in said["broken.png"]


def test_photos_are_only_read(fitted, folder):
    assert fitted
    assert len(list(folder.iterdir())) == COUNT + 2
    with pytest.raises(InputError, match="lies among the photos"):
        fit_folder(folder, folder / "model", report=lambda line: None)
    assert not (folder / "model").exists()


def test_a_run_stopped_again_and_again_gives_the_same_model(
    fitted, folder, tiny_model_folder, tmp_path, monkeypatch
):
    monkeypatch.setattr("graticule.training.fit.SHARD_ROWS", 96)
    out, stopped = tmp_path / "mine", 0

    def run(seconds):
        return fit_folder(
            folder, out, encoder=str(tiny_model_folder), report=lambda line: None, stop_after_s=seconds
        )

    while not (out / "run/head/checkpoint.safetensors").exists():
        assert not run(0.0)
        stopped += 1
    assert stopped == 3, "a shard each, and the third came to the head"
    assert run(float("inf"))
    assert digests(out) == digests(fitted[0])


def test_a_run_of_other_photos_or_settings_is_refused(fitted, folder, tiny_model_folder):
    with pytest.raises(ConfigError, match="other photos or settings"):
        fit_folder(folder, fitted[0], encoder=str(tiny_model_folder), seed=1, report=lambda line: None)


def test_a_table_says_where_instead_of_exif(views, folder, tiny_model_folder, tmp_path):
    rows = [f"{row:04}.png,{lat},{lon}" for row, (lat, lon) in enumerate(views[1].tolist())]
    table = tmp_path / "truth.csv"
    table.write_text("\n".join(["path,latitude,longitude", *rows]) + "\n")
    told = []
    assert not fit_folder(
        folder,
        tmp_path / "mine",
        truth=table,
        encoder=str(tiny_model_folder),
        report=told.append,
        stop_after_s=0.0,
    )
    assert "240 photos have a place" in told[0]
    assert "2 not used: no row of the table names this picture" in told[0]
    assert "do not say when" not in told[0], "their EXIF does"


def test_too_few_photos_are_refused_before_anything_is_written(folder, tmp_path):
    table = tmp_path / "few.csv"
    table.write_text("path,latitude,longitude\n0000.png,1,2\n")
    with pytest.raises(InputError, match=r"1 photos can be used, .*200 are needed; 241 not used.*--truth"):
        fit_folder(folder, tmp_path / "mine", truth=table, report=lambda line: None)
    assert not (tmp_path / "mine").exists()


def test_no_folder_is_told_as_that(tmp_path):
    with pytest.raises(InputError, match="no such folder"):
        fit_folder(tmp_path / "missing", tmp_path / "mine", report=lambda line: None)


def test_a_folder_in_use_is_refused(folder, tiny_model_folder, tmp_path):
    (tmp_path / "mine/run").mkdir(parents=True)
    with locked(tmp_path / "mine/run"), pytest.raises(InputError, match="another run is writing to it"):
        fit_folder(folder, tmp_path / "mine", encoder=str(tiny_model_folder), report=lambda line: None)


def test_it_is_shown_how_far_the_reading_is(folder, tiny_model_folder, tmp_path):
    told = []

    @contextmanager
    def progress(step):
        yield lambda done, total: told.append((step, done, total))

    fit_folder(
        folder,
        tmp_path / "mine",
        encoder=str(tiny_model_folder),
        report=lambda line: None,
        progress=progress,
        stop_after_s=0.0,
    )
    assert ("Looking through", COUNT + 2, COUNT + 2) in told
    assert told[-1] == ("Extracting", COUNT + 1, COUNT + 1)


def test_photos_of_too_few_places_are_refused(folder, tiny_model_folder, tmp_path):
    table = tmp_path / "home.csv"
    rows = [f"{row:04}.png,48.2,16.37" for row in range(COUNT)]
    table.write_text("\n".join(["path,latitude,longitude", *rows]) + "\n")
    with pytest.raises(InputError, match="too few places and days"):
        fit_folder(
            folder, tmp_path / "mine", truth=table, encoder=str(tiny_model_folder), report=lambda line: None
        )


def test_a_model_of_street_photos_is_fitted_alike(folder, tmp_path):
    """A CLIP tower and a gallery of places, as GeoCLIP has them."""
    pytest.importorskip("transformers")
    from graticule.alignment.geoclip import GeoClipAlignment, GeoClipAlignmentConfig
    from graticule.encoders.clip import ClipEncoder, ClipEncoderConfig
    from graticule.model import ModelConfig
    from graticule.retrieval.gallery import Gallery
    from graticule.tokens.gallery import GalleryCellModelConfig

    torch.manual_seed(0)
    encoder = ClipEncoderConfig(size=28, patch=14, hidden=16, feed_forward=32, layers=2, heads=2, width=12)
    alignment = GeoClipAlignmentConfig(
        feature_width=12, sigmas=(1.0, 8.0), frequencies=8, hidden=16, layers=1, width=8
    )
    heads = GeoClipAlignment(alignment).eval()
    lat_lon = torch.rand(50, 2, dtype=torch.float64) * 90
    config = ModelConfig(
        name="tiny-geoclip",
        domain="tests",
        purpose="tests",
        licence="MIT",
        encoder=encoder,
        alignment=alignment,
        gallery_cells=GalleryCellModelConfig(),
        gallery_of="places",
        gallery_rows=len(lat_lon),
    )
    base = Model(
        config, ClipEncoder(encoder).eval(), heads, Gallery(lat_lon, heads.locations(lat_lon).detach())
    )
    base.save(tmp_path / "base", card="A card.", packing=fitting.PACKING)
    assert fit_folder(folder, tmp_path / "mine", encoder=str(tmp_path / "base"), report=lambda line: None)
    [result] = Geolocator.load(tmp_path / "mine").locate([folder / "0001.png"])
    assert isinstance(result, Prediction)
    assert "MIT for what comes from tiny-geoclip" in (tmp_path / "mine/MODEL_CARD.md").read_text()


# --- The parts -----------------------------------------------------------------------------------------------


def parts(model, views):
    pixels, lat_lon = views
    features = model.encoder.encode(pixels).clone()
    return [Part(features[rows], lat_lon[rows].numpy()) for rows in (slice(0, 150), slice(150, 200))]


@pytest.mark.parametrize("of", ["pictures", "places"])
def test_of_a_large_gallery_some_places_stand_for_all(tiny_model, views, monkeypatch, of):
    learning, held = ((p.features, torch.from_numpy(p.lat_lon)) for p in parts(tiny_model, views))
    whole = tiny_model.location_vectors().clone()
    config = tiny_model.config.model_copy(update={"gallery_of": of})
    vectors = whole.half() if of == "places" else tiny_model.gallery.vectors
    base = replace(tiny_model, config=config, gallery=replace(tiny_model.gallery, vectors=vectors))
    monkeypatch.setattr("graticule.training.heads._MOST_ELSEWHERE", len(whole) // 3 + 1)
    seen = []
    monkeypatch.setattr(
        "graticule.training.heads.info_nce",
        lambda pictures, places, *, scale, past: seen.append(past) or pictures.sum(),
    )
    HeadTask(base, learning, held).validate()
    torch.testing.assert_close(seen[0], whole[::3], atol=1e-3, rtol=0)


def test_only_the_image_head_learns(tiny_model, views, tmp_path):
    learning, held = ((p.features, torch.from_numpy(p.lat_lon)) for p in parts(tiny_model, views))
    before = {name: value.clone() for name, value in tiny_model.alignment.state_dict().items()}
    task = HeadTask(tiny_model, learning, held)
    first = task.loss(0)[0].item()
    train(task, head_training(0).model_copy(update={"steps": 80}), tmp_path, report=lambda line: None)
    changed = {
        name for name, value in task.model.state_dict().items() if not torch.equal(value, before[name])
    }
    assert changed
    assert all(name.startswith("image_head") for name in changed)
    assert task.loss(0)[0].item() < first
    assert all(torch.equal(v, before[n]) for n, v in tiny_model.alignment.state_dict().items())


def test_the_base_stays_a_candidate_and_galleries_hold_what_they_say(tiny_model, views):
    learning, held = parts(tiny_model, views)
    found = list(candidates(tiny_model, tiny_model.alignment, learning, held, name="mine", photos="trip"))
    kept, *galleries = found
    assert kept.model.geotoken is tiny_model.geotoken
    assert {c.model.config.name for c in found} == {"mine"}
    assert all(np.isfinite(c.nats) for c in found)
    rows = {c.words: (c.model.config.gallery_of, len(c.model.gallery)) for c in galleries}
    assert sorted(rows.values()) == sorted([("pictures", 150), ("places", 150 + len(tiny_model.gallery))] * 2)


def test_what_knows_the_photos_places_is_chosen(tiny_model, views):
    """With the very photos in the gallery that are asked about, nothing else comes near."""
    held = parts(tiny_model, views)[1]
    found = list(candidates(tiny_model, tiny_model.alignment, held, held, name="mine", photos="trip"))
    best = min(found, key=lambda candidate: candidate.nats)
    assert best.model.config.gallery_of == "pictures"
    assert best.nats < found[0].nats


def test_a_calibration_that_harms_other_photos_is_not_kept(tiny_model, views, monkeypatch):
    """As when half of a few photos, all of them answered rightly, call for certainty."""

    def certain(*args, **kwargs):
        return fit(*args, **kwargs).model_copy(update={"temperatures": (0.05,) * 8, "blend": None})

    monkeypatch.setattr("graticule.training.fit_calibration.fit", certain)
    learning, held = parts(tiny_model, views)
    found = list(candidates(tiny_model, tiny_model.alignment, learning, held, name="mine", photos="trip"))
    model = found[1].model
    had = Calibration.none(model.cell_model).model_copy(update={"temperatures": (1.5,) * 8})
    assert calibrate_on_few(replace(model, calibration=had), held).temperatures == (1.5,) * 8
    kept = calibrate_on_few(model, held)
    assert kept.temperatures == (1.0,) * 8
    assert (kept.model, kept.pictures) == ("mine", len(held))
    fair = observe(kept, model.cell_model, model.query_of_features(held.features), lat_lon=held.lat_lon)
    assert np.mean(fair.distance_km <= fair.radius_km[:, 89]) >= 0.9, "its circles hold what they say"


def test_a_calibration_that_holds_for_other_photos_is_kept(tiny_model, views):
    learning, held = parts(tiny_model, views)
    found = list(candidates(tiny_model, tiny_model.alignment, learning, held, name="mine", photos="trip"))
    kept = calibrate_on_few(found[1].model, held)
    assert kept.temperatures != (1.0,) * 8
    assert kept.model == "mine"


def test_the_model_is_what_was_judged(fitted, views):
    """Nothing is rounded on the way to disk."""
    opened = Model.open(fitted[0])
    assert opened.gallery.vectors.dtype == torch.float32
    assert fitting.PACKING == {"encoder": "exact", "alignment": "float32", "gallery": "float32"}
    norms = opened.gallery.vectors.norm(dim=1)
    assert torch.allclose(norms, torch.ones_like(norms), atol=1e-6)
