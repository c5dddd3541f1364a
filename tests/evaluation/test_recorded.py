"""Pictures known by the features that were extracted of them are judged as the pictures themselves."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
from safetensors.torch import load_file, save_file

from graticule.errors import ConfigError, InputError, PictureError
from graticule.evaluation.leakage import Nearness
from graticule.evaluation.recorded import FeaturePictures
from graticule.evaluation.report import Settings, compare_models, evaluate, find_pictures
from graticule.extract.run import extract

BEAM = "GeoToken, beam"


@pytest.fixture(scope="module")
def features(street_views, tiny_model_folder, tmp_path_factory):
    """What `graticule extract` makes of them; not to be changed."""
    folder = tmp_path_factory.mktemp("features")
    done = extract(
        "osv5m", street_views, split="test", encoder=str(tiny_model_folder), out=folder, shard_rows=4
    )
    assert (done.finished, done.refused) == (True, 1)
    return folder


@pytest.fixture
def own_features(features, tmp_path):
    """The same, to be changed."""
    return shutil.copytree(features, tmp_path / "features")


def test_features_are_of_the_pictures_that_could_be_read_and_labels_of_the_records(features, street_views):
    found, source = FeaturePictures(features), find_pictures("osv5m", street_views, split="test")
    assert found.words == source.words == "osv5m, test"
    assert list(found.ids) == list(source.ids)
    np.testing.assert_array_equal(found.lat_lon, source.lat_lon)
    assert found.labels.keys() == source.labels.keys()
    assert found.rows.tolist() == [0, 1, 2, 3, 4, 6, 7, 8, 9, 10, 11]
    assert found.features.shape == (11, 16)


def test_every_figure_is_there_and_is_that_of_the_pictures(features, street_views, clear_model):
    settings = Settings(audit=Nearness(km=1.0))
    told = []
    [by_features] = compare_models(
        [clear_model],
        find_pictures(features=features),
        settings=settings,
        progress=lambda *now: told.append(now),
    ).reports
    by_pictures = evaluate(clear_model, source="osv5m", path=street_views, split="test", settings=settings)
    assert told == [(12, 12)]
    one, other = by_features.to_dict(), by_pictures.to_dict()
    assert one.keys() == other.keys()
    assert one["refused"] == other["refused"] == 1
    assert one["countries"].keys() == other["countries"].keys()
    assert one["audit"]["dropped"] == other["audit"]["dropped"]
    # Stored features are float16.
    for method, summary in other["summaries"].items():
        assert one["summaries"][method]["mean_km"]["value"] == pytest.approx(
            summary["mean_km"]["value"], rel=0.02
        )
    json.dumps(one, allow_nan=False)


def test_models_that_share_the_encoder_are_compared_and_another_is_refused(
    features, clear_model, tiny_model_folder
):
    pictures = find_pictures(features=features)
    judged = compare_models([clear_model, tiny_model_folder], pictures)
    assert [report.summaries[BEAM].count for report in judged.reports] == [11, 11]
    assert len(judged.pairs) == 1
    config = clear_model.config.model_copy(update={"encoder_digest": "ab" * 32, "features_digest": None})
    with pytest.raises(
        ConfigError, match=r"features of the encoder [0-9a-f]{12}, but orbit takes those of abab"
    ):
        compare_models([replace(clear_model, config=config)], pictures)


def test_a_miss_is_shown_as_long_as_its_picture_lies_where_it_was(own_features):
    pictures = FeaturePictures(own_features)
    assert pictures.image(0).mode == "RGB"
    plan = json.loads((own_features / "extract.json").read_text())
    (own_features / "extract.json").write_text(json.dumps({**plan, "path": "/moved"}))
    with pytest.raises(PictureError, match="can't be read"):
        FeaturePictures(own_features).image(0)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda folder: (folder / "extract.json").unlink(), "holds no extract.json"),
        (lambda folder: (folder / "shard-00000001.safetensors").unlink(), "holds 2 shards of 3"),
        (lambda folder: (folder / "records.parquet").write_bytes(b"no"), "records.parquet: can't be read"),
        (lambda folder: (folder / "shard-00000001.safetensors").write_bytes(b"no"), "shard-00000001"),
        (lambda folder: _twice(folder, 0, 1), "not of one extraction"),
    ],
)
def test_what_is_not_a_finished_extraction_is_refused(own_features, change, words):
    change(own_features)
    with pytest.raises(InputError, match=words):
        FeaturePictures(own_features)


def _twice(folder, first, second):
    one, other = (folder / f"shard-{number:08d}.safetensors" for number in (first, second))
    save_file(load_file(one), other)


def test_features_are_given_alone(features):
    with pytest.raises(InputError, match="give them alone"):
        find_pictures("osv5m", features=features)
