"""Settings from a file and from options: who wins, and what is said of nonsense."""

import pytest
from pydantic import BaseModel, ConfigDict

from graticule.errors import ConfigError
from graticule.training.recipe import overlaid, read_recipe


class Inner(BaseModel):
    model_config = ConfigDict(extra="forbid")

    name: str = "none"
    strength: float = 4.0


class Recipe(BaseModel):
    model_config = ConfigDict(extra="forbid")

    steps: int = 10
    rate: float = 1e-3
    inner: Inner = Inner(name="own")


def test_options_win_over_the_file_and_the_file_over_defaults(tmp_path):
    path = tmp_path / "recipe.yaml"
    path.write_text("steps: 20\nrate: 3e-5\ninner:\n  name: magic\n")
    given = {"steps": 30, "rate": None, "inner": {"name": None, "strength": 0.0}}
    recipe = read_recipe(Recipe, path, given)
    assert recipe == Recipe(steps=30, rate=3e-5, inner=Inner(name="magic", strength=0.0))
    assert read_recipe(Recipe, None, {"steps": None, "inner": {"name": None}}) == Recipe()


def test_what_is_not_named_is_as_the_recipe_has_it(tmp_path):
    path = tmp_path / "recipe.yaml"
    path.write_text("inner:\n  strength: 1\n")
    assert read_recipe(Recipe, path, {}).inner == Inner(name="own", strength=1)
    assert read_recipe(Recipe, None, {"inner": {"strength": 2}}).inner == Inner(name="own", strength=2)


def test_what_is_overlaid_stays_as_it_was():
    settings = {"a": {"b": 1, "c": 2}}
    assert overlaid(settings, {"a": {"b": None}, "d": {"e": 4}}) == {"a": {"b": None, "c": 2}, "d": {"e": 4}}
    assert settings == {"a": {"b": 1, "c": 2}}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("steps: [1", "can't be read as YAML"),
        ("- steps", "holds no settings"),
        ("", "holds no settings"),
        ("stepps: 3", "stepps"),
        ("inner: {strength: much}", r"inner\.strength"),
        ("steps: !!python/object/apply:os.getcwd []", "can't be read as YAML"),
    ],
)
def test_files_that_make_no_sense_are_refused(tmp_path, text, said):
    path = tmp_path / "recipe.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=said):
        read_recipe(Recipe, path, {})


def test_a_file_that_is_gone_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"gone\.yaml"):
        read_recipe(Recipe, tmp_path / "gone.yaml", {})
