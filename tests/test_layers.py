"""Imports run one way: the road of docs/architecture.md, held to by reading every import statement.

Imports inside functions count too: they are late, not free.
"""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "src" / "graticule"

ROAD = ("encoders", "alignment", "retrieval", "tokens", "decoding")
GROUND = {"earth", "images"}
PLUMBING = {"config", "registry", "store", "restoring"}
PICTURES_OF_ANSWERS = {"output", "maps", "figures"}
EVERYWHERE = {"errors", "prediction"} | PLUMBING

MAY_IMPORT = {
    "errors": set(),
    "printable": set(),
    "earth": {"errors"},
    "images": {"errors"},
    **{part: {"errors"} | PLUMBING for part in PLUMBING},
    "prediction": {"errors", "earth", "maps"},
    "output": {"errors", "earth", "prediction", "printable"},
    "explain": {"errors", "earth", "prediction"},
    "maps": {"errors", "earth"},
    "lock": {"errors"},
    "data": EVERYWHERE | GROUND,
    **{part: EVERYWHERE | GROUND | set(ROAD[:place]) for place, part in enumerate(ROAD)},
}
MAY_IMPORT["metadata"] = {"errors", "prediction", "lock"} | GROUND
MAY_IMPORT["fusing"] = {"errors", "prediction"} | GROUND
MAY_IMPORT["extract"] = EVERYWHERE | GROUND | {"data", "encoders", "lock"}
MAY_IMPORT["model"] = EVERYWHERE | GROUND | set(ROAD)
MAY_IMPORT["pull"] = MAY_IMPORT["choosing"] = MAY_IMPORT["model"] | {"model"}
MAY_IMPORT["locator"] = MAY_IMPORT["choosing"] | {"choosing"}
MAY_IMPORT["batch"] = MAY_IMPORT["locator"] | {"locator", "lock", "output", "fusing", "metadata"}
MAY_IMPORT["evaluation"] = MAY_IMPORT["locator"] | {"locator", "data", "extract", "output"}
MAY_IMPORT["figures"] = {"errors", "prediction", "earth", "images", "output", "maps", "evaluation"}
MAY_IMPORT["training"] = MAY_IMPORT["evaluation"] | {"evaluation", "extract", "lock"}
MAY_IMPORT["demo"] = MAY_IMPORT["locator"] | {"locator", "data"} | PICTURES_OF_ANSWERS
MAY_IMPORT["precision"] = MAY_IMPORT["model"] | {"model"}
MAY_IMPORT["locator"] |= {"precision"}
MAY_IMPORT["evaluation"] |= {"precision"}
MAY_IMPORT["serving"] = {*MAY_IMPORT, "demo"} - {"cli", "serving"}
MAY_IMPORT["cli"] = MAY_IMPORT["serving"] | {"serving"}
MAY_IMPORT["__main__"] = {"cli"}


def part_of(path):
    """The folder or module directly under the package that a file belongs to."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported(source):
    """(line, part) of every import from this package."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"line {node.lineno}: relative imports hide where they lead"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            root, _, rest = name.partition(".")
            if root == "graticule" and rest:
                yield node.lineno, rest.partition(".")[0]


def breaches(part, source):
    """What a file of a part imports and may not."""
    return [
        f"line {line}: {part} imports {other}"
        for line, other in imported(source)
        if other != part and other not in MAY_IMPORT[part]
    ]


# The package's own __init__ names what users need, from anywhere, lazily.
FILES = [path for path in sorted(PACKAGE.rglob("*.py")) if path != PACKAGE / "__init__.py"]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_a_file_imports_only_what_lies_before_it(path):
    part = part_of(path)
    assert part in MAY_IMPORT, (
        f"{part} has no place on the road yet: give it one here and in docs/architecture.md"
    )
    assert not breaches(part, path.read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    ("part", "source"),
    [
        ("earth", "from graticule.images.open import open_picture"),
        ("tokens", "import graticule.decoding.beam"),
        ("store", "def late():\n    from graticule import encoders"),
        ("locator", "from graticule.cli import main"),
        ("evaluation", "from graticule.training import loop"),
        ("alignment", "from graticule.data.orbit import views"),
    ],
)
def test_a_breach_is_seen(part, source):
    assert breaches(part, source)


def test_there_is_no_way_round():
    """No part may reach itself through others: the parts can be laid in one line."""
    placed = set()
    while len(placed) < len(MAY_IMPORT):
        ready = {
            part for part, others in MAY_IMPORT.items() if part not in placed and others - PLUMBING <= placed
        }
        assert ready, f"a circle among {sorted(set(MAY_IMPORT) - placed)}"
        placed |= ready
