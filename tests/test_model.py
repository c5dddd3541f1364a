"""Models of other parts than Orbit's: here one that knows coordinates alone, as GeoCLIP does, and no GeoToken."""

import hashlib
import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch

from graticule.alignment.geoclip import GeoClipAlignment, GeoClipAlignmentConfig
from graticule.decoding.beam import beam
from graticule.earth.regions import parse_region
from graticule.encoders.orbit import OrbitEncoder, OrbitEncoderConfig
from graticule.errors import ConfigError, InputError, ModelFormatError
from graticule.evaluation.report import evaluate, judge_features
from graticule.extract.encoder import find_encoder
from graticule.locator import Geolocator
from graticule.model import Model, ModelConfig
from graticule.prediction import Prediction
from graticule.retrieval.gallery import Gallery
from graticule.store import ModelFolder, add_texts, write_manifest
from graticule.tokens.gallery import GalleryCellModelConfig

ROWS = 60


@pytest.fixture(scope="module")
def places_model():
    """An untrained encoder and alignment, and a gallery of coordinates."""
    torch.manual_seed(0)
    encoder = OrbitEncoderConfig(size=32, widths=(8, 8), depths=(1, 1), squeeze=4, width=12, turns=1)
    alignment = GeoClipAlignmentConfig(
        feature_width=12, sigmas=(1.0, 8.0), frequencies=8, hidden=16, layers=1, width=10
    )
    parts = GeoClipAlignment(alignment).eval()
    lat_lon = torch.from_numpy(np.random.default_rng(0).uniform((-60, -180), (75, 180), (ROWS, 2)))
    with torch.no_grad():
        vectors = parts.locations(lat_lon)
    return Model(
        config=ModelConfig(
            name="places",
            domain="noise",
            purpose="tests",
            licence="Apache-2.0",
            encoder=encoder,
            alignment=alignment,
            gallery_cells=GalleryCellModelConfig(levels=(0, 2, 4)),
            gallery_of="places",
            gallery_rows=ROWS,
        ),
        encoder=OrbitEncoder(encoder),
        alignment=parts,
        gallery=Gallery(lat_lon, vectors),
    )


@pytest.fixture
def pixels():
    return torch.randint(256, (3, 3, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))


def test_a_round_trip_without_geotoken(places_model, tmp_path):
    packing = {"encoder": "exact", "alignment": "float32", "gallery": "float32"}
    places_model.save(tmp_path / "places", card="A card.", packing=packing)
    assert not (tmp_path / "places" / "geotoken.safetensors").exists()
    again = Model.open(tmp_path / "places")
    assert again.config.encoder_digest == find_encoder(str(tmp_path / "places")).digest
    assert again.config.model_copy(update={"encoder_digest": None}) == places_model.config
    assert again.geotoken is None
    for part in ("encoder", "alignment"):
        before, after = getattr(places_model, part).state_dict(), getattr(again, part).state_dict()
        assert before.keys() == after.keys()
        assert all(torch.equal(before[name], after[name]) for name in before), part
    torch.testing.assert_close(again.gallery.vectors, places_model.gallery.vectors)


@pytest.mark.parametrize("name", ["tiny_model", "places_model"])
def test_a_model_that_a_geolocator_holds_can_be_saved(name, request, views_folder, tmp_path):
    model = request.getfixturevalue(name)
    Geolocator(model).model.save(tmp_path / "held", card="A card.", packing={"gallery": "float32"})
    again = Model.open(tmp_path / "held")
    # Weights may be stored in other digits: what its features were made with is remembered.
    digests = {name: getattr(again.config, name) for name in ("encoder_digest", "features_digest")}
    assert model.config.encoder_digest in {None, *digests.values()}
    assert again.config == model.config.model_copy(update=digests)
    assert again.encoder.state_dict().keys() == model.encoder.state_dict().keys()


def test_the_encoder_of_another_model_is_refused_even_under_a_true_manifest(places_model, tmp_path):
    other = replace(places_model, encoder=OrbitEncoder(places_model.config.encoder))
    for name, model in {"mine": places_model, "other": other}.items():
        model.save(tmp_path / name, card="A card.")
    mine, its = tmp_path / "mine", tmp_path / "other" / "encoder.safetensors"
    shutil.copy(its, mine / its.name)
    digests = {**ModelFolder(mine).digests, its.name: hashlib.sha256(its.read_bytes()).hexdigest()}
    write_manifest(mine, digests)
    with pytest.raises(
        ModelFormatError, match=r"mine: encoder.safetensors is not the encoder that config.json"
    ):
        Model.open(mine)


def test_a_folder_of_an_earlier_version_says_nothing_of_its_encoder_and_opens(places_model, tmp_path):
    places_model.save(tmp_path, card="A card.")
    config = json.loads((tmp_path / "config.json").read_text())
    known = config.pop("encoder_digest")
    assert config.pop("features_digest") is None
    add_texts(tmp_path, {"config.json": json.dumps(config)})
    assert Model.open(tmp_path).config.encoder_digest == known


def test_features_are_taken_of_the_encoder_as_it_is_stored_and_as_it_was_learned_from(places_model, tmp_path):
    before = "12" * 32
    config = places_model.config.model_copy(update={"encoder_digest": before})
    replace(places_model, config=config).save(tmp_path, card="A card.")
    model = Model.open(tmp_path)
    assert model.config.features_digest == before != model.config.encoder_digest
    for digest in (before, model.config.encoder_digest):
        model.check_features("here", digest)
    with pytest.raises(
        ConfigError, match=r"here: features of the encoder 343434343434, but places takes those of 12"
    ):
        model.check_features("here", "34" * 32)
    # What was never stored knows of no digest, and takes what has the right width.
    places_model.check_features("here", "34" * 32)


def test_a_query_brings_no_neighbours(places_model, pixels):
    query = places_model.query(pixels)
    assert query.neighbours is None
    assert {name: tuple(vector.shape) for name, vector in query.vectors.items()} == {
        "image": (3, 12),
        "location": (3, 10),
    }


@pytest.mark.parametrize("temperature", [None, 0.5])
def test_a_cell_has_the_mass_of_the_places_in_it(places_model, pixels, temperature):
    settings = GalleryCellModelConfig(levels=(0, 2), temperature=temperature)
    model = replace(places_model, config=places_model.config.model_copy(update={"gallery_cells": settings}))
    query = model.query(pixels)
    found = beam(model.cell_model, query, width=96)
    with torch.no_grad():
        scale = float(model.alignment.scale) if temperature is None else 1 / temperature
        cosines = query.vectors["location"] @ model.alignment.locations(model.gallery.lat_lon).T
    masses = (scale * cosines.double()).softmax(-1).numpy()
    tokens = model.cell_model.scheme.encode(*model.gallery.lat_lon.T.numpy())
    for picture in range(3):
        for cell, log_prob in zip(found.tokens[picture, :20], found.log_probs[picture, :20], strict=True):
            inside = (tokens == cell.numpy()).all(axis=1)
            assert float(log_prob.exp()) == pytest.approx(masses[picture][inside].sum(), rel=1e-4, abs=1e-9)


def test_pictures_are_located(places_model, views_folder):
    results = list(Geolocator(places_model).locate([views_folder]))
    assert len(results) == 24
    assert all(isinstance(result, Prediction) and result.model == "places" for result in results)
    lat, lon = places_model.cell_model.scheme.centres(
        places_model.cell_model.scheme.encode(*places_model.gallery.lat_lon.T.numpy())
    )
    known = set(zip(lat.round(6), lon.round(6), strict=True))
    assert {(round(r.latitude, 6), round(r.longitude, 6)) for r in results} <= known


@pytest.mark.parametrize("decode", ["greedy", "beam"])
def test_within_a_region_no_answer_lies_outside(places_model, views_folder, decode):
    settings = GalleryCellModelConfig(levels=(0, 2, 4), epsilon=0.01)
    config = places_model.config.model_copy(update={"gallery_cells": settings})
    geolocator = Geolocator(replace(places_model, config=config))
    region = parse_region(["Brazil", "500 km around -30,25"])
    everywhere = list(geolocator.locate([views_folder], decode=decode))
    results = list(geolocator.locate([views_folder], decode=decode, within=region))
    for result, free in zip(results, everywhere, strict=True):
        assert 0 < result.region_probability < 1
        assert free.region_probability is None
        assert region.contains([(result.latitude, result.longitude)]).all()
        assert region.contains([(c.latitude, c.longitude) for c in result.candidates]).all()
        ids = np.array([int(c.cell.ljust(16, "0"), 16) for c in result.candidates], dtype=np.uint64)
        assert (region.shares(ids) > 0).all()
        shares = [c.probability for c in result.candidates]
        assert shares == sorted(shares, reverse=True)
        assert 0 < sum(shares) <= 1 + 1e-6
        assert sorted(result.circles_km) == list(result.circles_km)
        assert result.probability_within(result.radius_km) >= 0.9


def test_parts_of_the_earth_share_its_probability(places_model, views_folder):
    geolocator = Geolocator(places_model)
    halves = [
        list(geolocator.locate([views_folder], within=box)) for box in ("-90,-180,90,0", "-90,0,90,180")
    ]
    for west, east in zip(*halves, strict=True):
        assert west.region_probability + east.region_probability == pytest.approx(1, abs=0.02)


def test_a_region_that_is_none_is_refused(places_model, views_folder):
    with pytest.raises(InputError, match="Atlantis"):
        next(Geolocator(places_model).locate([views_folder], within="Atlantis"))


def test_answers_are_marked_that_are_not_as_sure_as_asked(places_model, views_folder):
    geolocator = Geolocator(places_model)
    for result in geolocator.locate([views_folder], min_confidence=0.5, confidence_km=3000):
        probability = result.probability_within(3000)
        assert (result.not_sure is not None) == (probability < 0.5)
        if result.not_sure is not None:
            assert result.not_sure.probability == probability
    for wrong in ({"min_confidence": 0.5}, {"min_confidence": 1.0, "confidence_km": 5}):
        with pytest.raises(ConfigError, match="min_confidence"):
            next(geolocator.locate([views_folder], **wrong))


def test_it_is_judged_without_neighbours_it_does_not_have(places_model, views_folder):
    report = evaluate(places_model, images=views_folder, truth=views_folder / "truth.csv")
    assert list(report.summaries) == ["gallery retrieval", "gallery cells, greedy", "gallery cells, beam"]
    assert list(report.differences) == ["gallery retrieval"]


def test_gallery_retrieval_is_the_most_similar_place(places_model):
    features = torch.randn(8, 12, generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        cosines = places_model.alignment.images(features) @ places_model.gallery.vectors.T
    answers = places_model.gallery.lat_lon[cosines.argmax(1)].numpy()
    report = judge_features(places_model, features, answers, pictures="noise")
    assert report.summaries["gallery retrieval"].mean_km.value == pytest.approx(0, abs=1e-6)


def test_location_vectors_are_those_of_the_places(places_model, tiny_model):
    for model in (places_model, tiny_model):
        with torch.inference_mode():
            expected = model.alignment.locations(model.gallery.lat_lon)
        torch.testing.assert_close(model.location_vectors(), expected)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"gallery_cells": None}, "either geotoken or gallery_cells"),
        ({"gallery_cells": {"levels": [0, 2], "temperature": 0}}, "temperature"),
        ({"gallery_cells": {"level": [0, 2]}}, "level"),
        ({"gallery_of": "maps"}, "gallery_of"),
        ({"licence": None}, "licence"),
        ({"encoder": {"kind": "clip"}}, "the encoder gives features 768 wide"),
        ({"encoder": {"kind": "eagle"}}, "choose orbit or clip"),
        ({"encoder": {"kind": "orbit", "patch": 14}}, "patch"),
    ],
)
def test_settings_that_do_not_fit_are_refused(places_model, changed, said):
    settings = places_model.config.model_dump(mode="json")
    assert ModelConfig.model_validate(settings) == places_model.config
    with pytest.raises(ValueError, match=said):
        ModelConfig.model_validate(settings | changed)


def test_cells_that_do_not_exist_are_refused(places_model):
    settings = GalleryCellModelConfig(levels=(4, 2))
    with pytest.raises(ConfigError):
        replace(places_model, config=places_model.config.model_copy(update={"gallery_cells": settings}))
