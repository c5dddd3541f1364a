"""The registry: clear about what there is, and light until asked."""

import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import ValidationError

import graticule
from graticule.encoders.orbit import OrbitEncoder, OrbitEncoderConfig
from graticule.errors import ConfigError
from graticule.registry import ALIGNMENTS, CELL_MODELS, ENCODERS, INDEXES, SELECTORS, SOURCES, Registry


@pytest.mark.parametrize(
    "registry", [ENCODERS, ALIGNMENTS, INDEXES, CELL_MODELS, SELECTORS, SOURCES], ids=lambda r: r.what
)
def test_what_is_listed_is_there(registry):
    assert all(isinstance(registry.find(name), type) for name in registry)


@pytest.mark.parametrize("name", ["eagle", "", None, 3, ["orbit"]])
def test_what_is_not_listed_is_refused_with_the_list(name):
    with pytest.raises(ConfigError, match=r"encoder: there is none called .*; choose orbit or clip"):
        ENCODERS.find(name)
    with pytest.raises(ConfigError, match="choose orbit or clip"):
        ENCODERS.settings({"kind": name})


def test_settings_become_what_they_describe():
    settings = ENCODERS.settings({"kind": "orbit", "size": 32, "widths": [8, 8], "depths": [1, 1]})
    assert settings == OrbitEncoderConfig(size=32, widths=(8, 8), depths=(1, 1))
    assert ENCODERS.settings(settings) == settings
    encoder = ENCODERS.build(settings)
    assert isinstance(encoder, OrbitEncoder)
    assert encoder.size == 32


@pytest.mark.parametrize("given", [{}, None, "orbit", {"size": 32}])
def test_settings_without_a_kind_are_refused(given):
    with pytest.raises(ConfigError, match="none called None"):
        ENCODERS.settings(given)


def test_settings_of_another_member_are_refused():
    with pytest.raises(ValidationError, match="patch"):
        ENCODERS.settings({"kind": "orbit", "patch": 14})


def test_nothing_is_imported_before_it_is_asked_for():
    lazy = Registry("thing", {"broken": "graticule.no_such_module:Thing"})
    assert list(lazy) == ["broken"]
    with pytest.raises(ModuleNotFoundError, match="no_such_module"):
        lazy.find("broken")
    script = "import sys; import graticule.registry; assert not {'torch', 'transformers'} & set(sys.modules)"
    source = Path(graticule.__file__).parents[1]
    subprocess.run([sys.executable, "-c", script], check=True, env={"PYTHONPATH": str(source)})
