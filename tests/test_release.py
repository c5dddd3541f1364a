"""A release: what is built holds what it should and no more, and works away from the checkout.

Nothing here needs a network. Dependencies are those of the environment that runs the tests: a fresh environment gets
the wheel alone, and a path to where they are.
"""

import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest

pytest.importorskip("build", reason="the package build is not installed: pip install '.[dev]'")
pytest.importorskip("hatchling", reason="hatchling is not installed: pip install '.[dev]'")

ROOT = Path(__file__).parents[1]
WHEEL_MB, SOURCE_MB = 40, 60  # docs/release.md states them
NEEDS_NOTHING = ("graticule", "graticule.errors", "graticule.registry")
pytestmark = pytest.mark.slow


def run(*command, **options):
    """What a program prints; its complaint if it fails."""
    done = subprocess.run(
        [str(word) for word in command], capture_output=True, text=True, timeout=900, **options
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="session")
def release(tmp_path_factory):
    """The source archive, made from the checkout, and the wheel, made from the source archive."""
    out = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", out, ROOT)
    [source], [wheel] = out.glob("*.tar.gz"), out.glob("*.whl")
    return source, wheel


@pytest.fixture(scope="session")
def files(release):
    """Names in both, the archive's without the folder that all lie in."""
    source, wheel = release
    with tarfile.open(source) as archive:
        inside = {name.split("/", 1)[1] for name in archive.getnames() if "/" in name}
    return inside, set(zipfile.ZipFile(wheel).namelist())


def test_the_wheel_holds_what_is_needed_to_answer(files):
    package = {"graticule/py.typed", "graticule/models/orbit/manifest.json", "graticule/data/orbit/land.png"}
    package |= {
        f"graticule/{path.relative_to(ROOT / 'src' / 'graticule').as_posix()}"
        for folder in ("earth/data", "models/orbit", "serving/static", "figures")
        for path in (ROOT / "src" / "graticule" / folder).rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    }
    source, wheel = files
    assert package <= wheel
    assert {f"src/{name}" for name in package} <= source
    assert {"LICENSE", "NOTICE"} <= {name.rsplit("/", 1)[-1] for name in wheel}


def test_the_wheel_holds_the_package_alone(files):
    tops = {name.split("/")[0] for name in files[1]}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"graticule"}


def test_neither_holds_leftovers(files):
    unwanted = re.compile(
        r"(^|/)(node_modules|__pycache__|runs|site|\.venv|\.git|\.[a-z]+_cache)/|\.pyc$|\.part$"
    )
    assert [name for part in files for name in part if unwanted.search(name)] == []


def test_the_source_archive_holds_what_makes_and_explains_it(files):
    pages = "README.md", "CITATION.cff", "SECURITY.md", "RESPONSIBLE_USE.md", "CHANGELOG.md"
    others = "Makefile", "mkdocs.yml", "constraints.txt", "constraints.lock", "torch-cpu.lock"
    assert {*pages, *others, "docs/start.md", "examples/truth.csv", "tests/conftest.py"} <= files[0]


def test_sizes_stay_within_what_is_stated(release):
    source, wheel = (path.stat().st_size / 1e6 for path in release)
    assert wheel < WHEEL_MB
    assert source < SOURCE_MB
    stated = (ROOT / "docs" / "release.md").read_text()
    assert f"| {WHEEL_MB} MB |" in stated
    assert f"| {SOURCE_MB} MB |" in stated


def test_the_version_is_one():
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert f"\nversion: {version}\n" in (ROOT / "CITATION.cff").read_text()


def test_the_citation_can_be_read():
    yaml = pytest.importorskip("yaml")
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    # What version 1.2.0 of the format asks for.
    assert {"cff-version", "message", "title", "authors"} <= set(cited)
    papers = [reference for reference in cited["references"] if reference["authors"] and reference["title"]]
    assert {paper["type"] for paper in papers} == {"conference-paper"}
    assert {paper["url"].rsplit("/", 1)[-1] for paper in papers} == {"2511.01082", "2509.21573"}


def test_an_installed_wheel_locates(release, tmp_path):
    """In an environment that has the wheel, and sees the dependencies but not the checkout."""
    python = fresh(sys.executable, release[1], tmp_path)
    site = Path(sysconfig.get_path("purelib"))
    beside = Path(run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").strip())
    # A plain path line: what the environment's own .pth files do, such as showing the checkout, is not done again.
    (beside / "dependencies.pth").write_text(f"{site}\n")
    shutil.copy(ROOT / "examples" / "pictures" / "view-000003.png", tmp_path / "view.png")
    program = python.with_name("graticule")
    where = run(python, "-c", "import graticule; print(graticule.__file__)", cwd=tmp_path).strip()
    assert Path(where).is_relative_to(tmp_path)
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert run(program, "--version", cwd=tmp_path).strip() == f"graticule {version}"
    assert "orbit" in run(program, "models", cwd=tmp_path)
    answer = run(program, "locate", "view.png", "--model", "orbit", "--format", "jsonl", cwd=tmp_path)
    assert '"latitude": 14.' in answer


@pytest.mark.parametrize("version", ["3.12", "3.13"])
def test_the_wheel_suits_later_pythons(release, version, tmp_path):
    """Installed without dependencies, which may not be had for it here: whether it locates is not seen."""
    python = fresh(later(version), release[1], tmp_path)
    where = Path(run(python, "-c", "import graticule; print(graticule.__path__[0])", cwd=tmp_path).strip())
    run(python, "-W", "error", "-m", "compileall", "-q", "-f", where)
    for module in NEEDS_NOTHING:
        run(python, "-W", "error", "-c", f"import {module}", cwd=tmp_path)
    told = run(python, "-m", "pip", "show", "graticule")
    assert "Version: " in told


def later(version):
    """An interpreter of this version that runs; skips if there is none."""
    candidates = [
        shutil.which(f"python{version}"),
        *Path.home().glob(f".pyenv/versions/{version}.*/bin/python"),
    ]
    for candidate in filter(None, candidates):
        says = subprocess.run([str(candidate), "--version"], capture_output=True, text=True, check=False)
        if says.returncode == 0 and says.stdout.startswith(f"Python {version}."):
            return candidate
    pytest.skip(f"there is no Python {version} that runs on this machine")


def fresh(interpreter, wheel, folder):
    """An environment of its own with the wheel, without its dependencies; its Python."""
    run(interpreter, "-m", "venv", folder / "fresh")
    python = folder / "fresh" / "bin" / "python"
    run(python, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps", wheel)
    return python
