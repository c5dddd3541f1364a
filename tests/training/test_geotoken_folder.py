"""GeoToken on a folder of features, with the neighbours of its index; the paper's settings; reward models on such."""

import shutil
from dataclasses import replace
from itertools import count
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch.nn import functional

from feature_parts import COUNT, WIDTH, make_parts
from feature_parts import GEOTOKEN as SMALL
from graticule.alignment.spaces import SpacesAlignment
from graticule.earth.cells import TokenScheme
from graticule.errors import ConfigError, InputError, ModelNotFoundError
from graticule.extract.encoder import find_encoder
from graticule.extract.plan import Plan
from graticule.locator import Geolocator
from graticule.model import Model
from graticule.retrieval.neighbours import NeighbourConfig, read_neighbours
from graticule.store import ModelFolder
from graticule.tokens.geotoken import GeoTokenConfig
from graticule.tokens.reward import RewardModel
from graticule.training.distributed import Part
from graticule.training.examples import gallery_widths
from graticule.training.gallery_folder import make_gallery_model
from graticule.training.geotoken import GeoTokenTask
from graticule.training.geotoken_folder import GeoTokenRecipe, train_geotoken
from graticule.training.index import index_folder
from graticule.training.loop import train
from graticule.training.neighboured import complete, neighboured
from graticule.training.recipe import checked, overlaid, read_recipe
from graticule.training.reward import RewardRecipe, train_reward
from graticule.training.reward_pictures import FeatureFolder
from graticule.training.shards import read_records

PAPER = Path(__file__).parents[2] / "configs" / "geotoken-paper.yaml"


@pytest.fixture(scope="module")
def parts(tmp_path_factory):
    """A folder of features, an alignment, and an index with neighbours of its location vectors."""
    return make_parts(tmp_path_factory.mktemp("parts"))


def run(parts, model_folder, out, recipe=None, **options):
    settings = {
        "index": parts / "index",
        "alignment": str(parts / "alignment"),
        "encoder": str(model_folder),
        "report": lambda line: None,
        **options,
    }
    return train_geotoken(parts / "features", out, recipe or GeoTokenRecipe.model_validate(SMALL), **settings)


def test_a_model_is_made_that_locates_stopped_or_not(parts, tiny_model_folder, views_folder, tmp_path):
    said = []
    for name in ("once", "often"):
        for _ in range(20):
            seconds = 0.0 if name == "often" else float("inf")
            if run(parts, tiny_model_folder, tmp_path / name, stop_after_s=seconds, report=said.append):
                break
            assert not (tmp_path / name / "manifest.json").exists()
    assert any(line.startswith("resumed at step 1") for line in said)
    once, often = (load_file(tmp_path / name / "geotoken.safetensors") for name in ("once", "often"))
    assert all(torch.equal(often[name], tensor) for name, tensor in once.items())

    model = Model.open(tmp_path / "once")
    # What the recipe leaves open is taken from what there is.
    assert model.config.geotoken.vectors == {"image": WIDTH, "location": WIDTH, "text": WIDTH}
    assert model.config.geotoken.neighbour_names == ("location",)
    assert len(model.gallery) == COUNT
    answers = list(Geolocator(model).locate([views_folder]))
    assert len(answers) == 24
    assert all(answer.radius_km > 0 for answer in answers)
    card = (tmp_path / "once" / "MODEL_CARD.md").read_text()
    assert "pictures to learn from" in card
    assert "median_km" in card
    with pytest.raises(ConfigError, match="other settings or pictures"):
        run(parts, tiny_model_folder, tmp_path / "once", GeoTokenRecipe.model_validate({**SMALL, "seed": 1}))


def test_neighbours_are_those_of_the_index_never_itself_or_a_twin(parts):
    alignment, records = SpacesAlignment.from_folder(parts / "alignment"), read_records(parts / "features")
    pictures = neighboured(records, parts / "index", alignment=alignment, neighbours=4)
    rows, similarities = read_neighbours(parts / "index")
    query = pictures.query(TokenScheme((0, 2, 4)), torch.tensor([3, 50]))
    near = query.neighbours
    torch.testing.assert_close(near.similarities, similarities[[3, 50], :4].float())
    assert torch.equal(near.lat_lon, records.lat_lon[rows[[3, 50], :4].long()])
    # The vectors are the alignment's of these very pictures, and as alike as the index says.
    features = records.features[rows[[3, 50], :4].long().flatten()].float()
    expected = alignment.images(features).view(2, 4, WIDTH)
    torch.testing.assert_close(near.vectors["location"], expected, atol=2e-3, rtol=0)
    torch.testing.assert_close(
        (near.vectors["location"] * query.vectors["location"][:, None]).sum(-1),
        near.similarities,
        atol=5e-3,
        rtol=0,
    )
    assert not set(rows[3].tolist()) & set(range(8))
    assert len(complete(pictures)) == COUNT


def three_spaces(parts, folder):
    """An index of all the alignment's vectors end to end, with neighbours."""
    done = index_folder(
        parts / "features",
        folder,
        alignment=str(parts / "alignment"),
        spaces=["image", "location", "text"],
        neighbours=NeighbourConfig(count=15),
        report=lambda line: None,
    )
    assert done
    return folder, SpacesAlignment.from_folder(parts / "alignment"), read_records(parts / "features")


def test_the_paper_s_settings_are_the_paper_s():
    recipe = read_recipe(GeoTokenRecipe, PAPER, {})
    assert GeoTokenConfig.model_validate(recipe.geotoken) == GeoTokenConfig.paper(
        neighbour_vectors=("image", "location", "text")
    )
    how = recipe.training(4_018_000)
    assert (how.steps, how.schedule.every) == (50 * 1961, 1961)
    assert how.schedule.factor(3 * 1961, how.steps) == pytest.approx(0.9**3)
    task = recipe.task(GeoTokenConfig.paper())
    assert (task.batch, task.soft_scale, task.soft_floor_km) == (2048, 0, 0)


def test_the_paper_s_settings_train(parts, tmp_path):
    """Two steps. Widths and batch alone are made small: layers, tokens and neighbours are the paper's."""
    vectors = {"image": WIDTH, "location": WIDTH, "text": WIDTH}
    small = {"vectors": vectors, "d_model": 16, "heads": 2, "feed_forward": 32}
    recipe = read_recipe(
        GeoTokenRecipe,
        PAPER,
        {"geotoken": small, "batch": 16, "accumulate": 2, "epochs": 0.4, "device": "cpu"},
    )
    index, alignment, records = three_spaces(parts, tmp_path / "index")
    pictures = complete(neighboured(records, index, alignment=alignment, neighbours=15))
    assert pictures.widths == vectors
    config = GeoTokenConfig.model_validate(recipe.geotoken)
    task = GeoTokenTask(recipe.task(config), pictures, pictures.only(torch.arange(4)))
    query = pictures.query(task.model.scheme, torch.arange(3))
    assert task.model.eval().memory(query).shape == (3, 214, 16)
    near, features = query.neighbours, records.features[pictures.rows[:3].long().flatten()].float()
    for name, expected in alignment.vectors(features).items():
        torch.testing.assert_close(
            near.vectors[name], expected.view(3, 15, WIDTH), atol=2e-3, rtol=0, msg=name
        )

    result = train(task, recipe.training(len(pictures)).model_copy(update={"steps": 2}), tmp_path / "run")
    assert result.finished
    assert result.step == 2


def test_a_model_of_the_paper_s_design_tells_of_neighbours_what_training_did(
    parts, tiny_model_folder, views_folder, tmp_path
):
    vectors = {"image": WIDTH, "location": WIDTH, "text": WIDTH}
    small = {"vectors": vectors, "d_model": 16, "heads": 2, "feed_forward": 32, "encoder_layers": 1}
    given = {"geotoken": small, "batch": 16, "accumulate": 1, "epochs": 0.4, "device": "cpu"}
    given["validation_share"] = 0.2
    recipe = read_recipe(GeoTokenRecipe, PAPER, given)
    index, alignment, records = three_spaces(parts, tmp_path / "index")
    assert run(parts, tiny_model_folder, tmp_path / "model", recipe, index=index)
    model = Model.open(tmp_path / "model")
    assert list(model.config.gallery_widths) == ["image", "location", "text"]
    # A picture of the gallery, asked for again, finds itself; its vectors are those of all three spaces.
    features = records.features[torch.tensor([50, 90])].float()
    query = model.query_of_features(features)
    torch.testing.assert_close(query.neighbours.similarities[:, 0], torch.ones(2), atol=2e-3, rtol=0)
    for name, vector in alignment.vectors(features).items():
        torch.testing.assert_close(query.neighbours.vectors[name][:, 0], vector, atol=2e-3, rtol=0)
    torch.testing.assert_close(
        (model.searched(features) * model.gallery.vectors[[50, 90]].float()).sum(-1),
        torch.ones(2),
        atol=2e-3,
        rtol=0,
    )
    assert len(list(Geolocator(model).locate([views_folder]))) == 24
    # An index of location vectors alone can't give what the paper's design reads of neighbours.
    with pytest.raises(ConfigError, match="the gallery holds vectors of location only"):
        run(parts, tiny_model_folder, tmp_path / "other", recipe)


def test_parts_of_a_batch_are_the_batch(parts):
    alignment, records = SpacesAlignment.from_folder(parts / "alignment"), read_records(parts / "features")
    pictures = neighboured(records, parts / "index", alignment=alignment, neighbours=4)
    settings = {**SMALL["geotoken"], "vectors": pictures.query_widths(), "neighbour_vectors": ("location",)}
    still = {"dropout": 0.0, "neighbour_dropout": 0.0, "all_neighbours_dropout": 0.0}
    config = GeoTokenConfig.model_validate({**settings, **still})
    task = GeoTokenTask(GeoTokenRecipe.model_validate(SMALL).task(config), pictures, pictures)
    whole, _ = task.loss(5)
    thirds = [task.part_loss(5, Part(number, 3))[0] for number in range(3)]
    torch.testing.assert_close(sum(thirds) / 3, whole)


def test_pictures_without_all_their_neighbours_are_left_out(parts):
    alignment, records = SpacesAlignment.from_folder(parts / "alignment"), read_records(parts / "features")
    pictures = neighboured(records, parts / "index", alignment=alignment, neighbours=4)
    rows = pictures.rows.clone()
    rows[5, 2:], rows[9, 3:] = -1, -1
    pictures = replace(pictures, rows=rows)
    assert set(range(COUNT)) - set(complete(pictures).chosen.tolist()) == {5, 9}
    assert complete(pictures.only(torch.tensor([9, 4, 8]))).chosen.tolist() == [4, 8]
    with pytest.raises(ConfigError, match=r"none of 2 pictures has \d+ that are not its near-duplicates"):
        complete(pictures.only(torch.tensor([5, 9])))


@pytest.mark.parametrize("name", ["epochs", "soft_scale", "soft_floor_km", "learning_rate"])
def test_numbers_without_end_are_refused_by_name(name):
    with pytest.raises(ConfigError, match=f"{name}: .*finite"):
        checked(GeoTokenRecipe, {name: float("inf")})


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"encoder": None}, "name it with --encoder"),
        ({"alignment": "other"}, "not those of these features by this alignment"),
        ({"neighbours": 16}, "holds 15 neighbours a picture, but 16 are asked for"),
        ({"vectors": {"image": 5, "location": 16}}, "the encoder gives features 16 wide"),
        ({"levels": [0, 0]}, "levels"),
        ({"features": "other"}, "an index of other pictures"),
    ],
)
def test_parts_that_do_not_belong_together_are_named(parts, tiny_model_folder, tmp_path, changed, said):
    settings = {
        "index": parts / "index",
        "alignment": str(parts / "alignment"),
        "encoder": str(tiny_model_folder),
    }
    recipe, features = SMALL, parts / "features"
    if changed.get("alignment"):
        torch.manual_seed(1)
        other = SpacesAlignment(SpacesAlignment.from_folder(parts / "alignment").config)
        other.save(tmp_path / "alignment", about={}, card="")
        settings["alignment"] = str(tmp_path / "alignment")
    elif "encoder" in changed:
        settings |= changed
    elif "features" in changed:
        features = tmp_path / "features"
        features.mkdir()
        tensors = load_file(parts / "features" / "shard-00000000.safetensors")
        save_file(tensors, features / "shard-00000000.safetensors")
    else:
        recipe = overlaid(SMALL, {"geotoken": changed})
    with pytest.raises(ConfigError, match=said):
        train_geotoken(
            features, tmp_path / "out", GeoTokenRecipe.model_validate(recipe), report=print, **settings
        )


def test_features_and_alignments_of_another_encoder_are_refused_by_name(parts, tiny_model_folder, tmp_path):
    assert run(parts, tiny_model_folder, tmp_path / "model")
    model = Model.open(tmp_path / "model")
    of_encoder = find_encoder(str(tiny_model_folder)).digest
    # What the encoder's weights are stored as is one thing, what the features were made with another.
    assert of_encoder in (model.config.encoder_digest, model.config.features_digest)

    others = FeatureFolder(shutil.copytree(parts / "features", tmp_path / "others"))
    plan = Plan(
        source="osv5m",
        path="/pictures",
        split=None,
        encoder="another",
        encoder_digest="ab" * 32,
        width=WIDTH,
        records=COUNT,
        shard_rows=70,
    )
    (others.features / "extract.json").write_text(plan.model_dump_json())
    recipe = RewardRecipe.of(near_km=2000, views=40, validation_views=10)
    with pytest.raises(
        ConfigError, match=r"others: features of the encoder abababababab, but geotoken takes"
    ):
        others.examples(model, recipe, tmp_path / "run", report=print, deadline=0)
    settings = {"alignment": str(parts / "alignment"), "encoder": str(tiny_model_folder)}
    with pytest.raises(ConfigError, match="not the encoder these features were made with"):
        make_gallery_model(others.features, tmp_path / "gallery", **settings)

    about = {"encoder_digest": "cd" * 32}
    SpacesAlignment.from_folder(parts / "alignment").save(tmp_path / "alignment", about=about, card="")
    settings["alignment"] = str(tmp_path / "alignment")
    for make in (
        lambda: run(parts, tiny_model_folder, tmp_path / "a", alignment=settings["alignment"]),
        lambda: make_gallery_model(parts / "features", tmp_path / "b", **settings),
    ):
        with pytest.raises(ConfigError, match="an alignment for features of another encoder"):
            make()


def test_a_gallery_s_spaces_are_told_by_comparing(parts, tmp_path):
    index, alignment, records = three_spaces(parts, tmp_path / "index")
    whole = neighboured(records, index, alignment=alignment, neighbours=4)
    assert list(whole.widths) == ["image", "location", "text"]
    other = functional.normalize(torch.randn(COUNT, WIDTH), dim=-1)
    gallery = type(whole.gallery)(records.lat_lon, other)
    with pytest.raises(ConfigError, match="not those of these features"):
        gallery_widths(alignment, records.features, gallery)


def test_a_reward_model_learns_from_the_gallery_s_own_pictures(parts, tiny_model_folder, tmp_path):
    assert run(parts, tiny_model_folder, tmp_path / "model")
    model = Model.open(tmp_path / "model")
    settings = {"near_km": 2000, "views": 40, "validation_views": 10, "samples": 4, "batch": 8, "steps": 3}
    recipe = RewardRecipe.of(**settings, hidden=8)
    with pytest.raises(InputError, match="name their index with --index"):
        train_reward(model, FeatureFolder(parts / "features"), tmp_path / "a", recipe, report=print)
    pictures = FeatureFolder(parts / "features", parts / "index")
    assert train_reward(model, pictures, tmp_path / "b", recipe, report=print)
    assert RewardModel.from_folder(tmp_path / "b").config.near_km == 2000
    training, validation = pictures.examples(model, recipe, tmp_path / "b" / "run", report=print, deadline=0)
    assert (len(training), len(validation)) == (40, 6)
    assert not set(training.chosen.tolist()) & set(validation.chosen.tolist())

    with pytest.raises(ModelNotFoundError, match="holds no finished index"):
        FeatureFolder(parts / "features", tmp_path).digest(tmp_path / "b" / "run")
    # The same folder with another index is another run: its neighbours are others.
    index = shutil.copytree(parts / "index", tmp_path / "index")
    (index / "manifest.json").write_bytes((index / "manifest.json").read_bytes() + b"\n")
    with pytest.raises(ConfigError, match="other pictures"):
        train_reward(model, replace(pictures, index=index), tmp_path / "b", recipe, report=print)


def test_the_paper_s_settings_of_a_reward_model_train(parts, tiny_model_folder, tmp_path):
    """Two steps; the batch, the hidden layer and the number of pictures alone are made small."""
    assert run(parts, tiny_model_folder, tmp_path / "model")
    path = PAPER.with_name("reward-geotoken.yaml")
    paper = read_recipe(RewardRecipe, path, {})
    how = paper.training(500_000)
    assert (paper.near_km, paper.samples, paper.temperature, paper.hidden) == (200, 10, 0.7, 2048)
    assert how.schedule.factor(2 * 7812, how.steps) == pytest.approx(0.9**2)
    assert (how.learning_rate, how.steps, how.accumulate) == (5e-5, 7800, 1)
    recipe = read_recipe(RewardRecipe, path, {"batch": 16, "hidden": 16, "steps": 2, "device": "cpu"})
    pictures = FeatureFolder(parts / "features", parts / "index")
    model = Model.open(tmp_path / "model")
    assert train_reward(model, pictures, tmp_path / "reward", recipe, report=print)
    judging = RewardModel.from_folder(tmp_path / "reward")
    assert judging.config.near_km == 200
    # Every model of this command has the same name.
    written = ModelFolder(tmp_path / "model").digests["geotoken.safetensors"]
    assert (judging.judges, judging.geotoken_digest) == ("geotoken", written)


def test_only_pictures_that_are_not_in_the_gallery_are_searched_for(parts, tiny_model_folder, tmp_path):
    assert run(parts, tiny_model_folder, tmp_path / "model")
    model = Model.open(tmp_path / "model")
    recipe = RewardRecipe.of(near_km=2000, views=40, validation_views=10)
    others = FeatureFolder(tmp_path / "others")
    others.features.mkdir()
    tensors = load_file(parts / "features" / "shard-00000001.safetensors")

    runs = count()

    def examples():
        save_file(tensors, others.features / "shard-00000000.safetensors")
        return others.examples(model, recipe, tmp_path / f"run-{next(runs)}", report=print, deadline=0)

    # A part of the gallery, in its own order.
    with pytest.raises(InputError, match="find themselves in the model's gallery"):
        examples()
    # Other pictures of the same places, and pictures of other places that look the same, are none of it.
    features = tensors["features"].clone()
    tensors["features"] = torch.randn(features.shape, generator=torch.Generator().manual_seed(9)).half()
    training, _ = examples()
    queries = training.alignment.images(training.features.float())
    expected = (queries @ training.gallery.vectors.float().T).amax(1)
    torch.testing.assert_close(training.similarities[:, 0].float(), expected, atol=2e-3, rtol=0)
    tensors["features"], tensors["lat_lon"] = features, tensors["lat_lon"] * 0.9
    assert len(examples()[0]) > 0


def test_a_geotoken_run_belongs_to_its_index(parts, tiny_model_folder, tmp_path):
    assert not run(parts, tiny_model_folder, tmp_path / "model", stop_after_s=0)
    index = shutil.copytree(parts / "index", tmp_path / "index")
    (index / "manifest.json").write_bytes((index / "manifest.json").read_bytes() + b"\n")
    with pytest.raises(ConfigError, match="other settings or pictures"):
        run(parts, tiny_model_folder, tmp_path / "model", index=index)


def test_an_alignment_alone_makes_a_model_of_places(parts, tiny_model_folder, views_folder, tmp_path):
    settings = {"alignment": str(parts / "alignment"), "encoder": str(tiny_model_folder)}
    make_gallery_model(parts / "features", tmp_path / "model", places=50, **settings, report=print)
    model = Model.open(tmp_path / "model")
    known = read_records(parts / "features").lat_lon
    assert len(model.gallery) == 50
    assert {tuple(place) for place in model.gallery.lat_lon.tolist()} <= {
        tuple(place) for place in known.tolist()
    }
    torch.testing.assert_close(
        model.gallery.vectors, model.alignment.locations(model.gallery.lat_lon), atol=2e-3, rtol=0
    )
    assert len(list(Geolocator(model).locate([views_folder]))) == 24
    with pytest.raises(ConfigError, match="name it with --encoder"):
        make_gallery_model(parts / "features", tmp_path / "a", alignment=settings["alignment"])
