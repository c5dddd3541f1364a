"""What the code must not hold: ways to run what a file says, and sockets where nobody asked for a network."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "src" / "graticule"
FILES = sorted(PACKAGE.rglob("*.py"))

RUNS_WHAT_IT_READS = {"pickle", "cPickle", "_pickle", "dill", "cloudpickle", "marshal", "shelve", "joblib"}
RUNS_TEXT = {"eval", "exec", "compile", "__import__"}
SAFE_ONLY_WITH = {
    "torch.load": ("weights_only", True),
    "np.load": ("allow_pickle", False),
    "numpy.load": ("allow_pickle", False),
}
"""Calls, and the argument that must be written out for them to unpickle nothing."""
UNSAFE = {
    "yaml.load",
    "yaml.load_all",
    "yaml.unsafe_load",
    "yaml.full_load",
    "os.system",
    "os.popen",
    "torch.hub.load",
}
MAY_LOAD = {"torch.load": {"pull/wheel.py"}}
"""The published GeoCLIP heads are pickles: read once, at installation, from a wheel whose digest is pinned."""

NETWORK = {
    *(
        "socket",
        "ssl",
        "http",
        "urllib",
        "urllib3",
        "requests",
        "httpx",
        "aiohttp",
        "openai",
        "ftplib",
        "smtplib",
    ),
    *("huggingface_hub", "websockets", "asyncio", "telnetlib", "xmlrpc"),
}
SPEAKS = {
    "images/remote.py": "fetches a picture from an address, when `graticule locate --allow-urls` is asked for",
    "pull": "fetches models, when `graticule models pull` is asked for",
    "decoding/judge": "asks the server that --judge names",
    "serving": "listens",
    "cli/serve.py": "starts what listens",
}
HARMLESS = {"urllib.parse"}


def dotted(node):
    """`a.b.c` of an expression, or nothing."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute) and dotted(node.value):
        return f"{dotted(node.value)}.{node.attr}"
    return ""


def modules(tree):
    """(line, module) of every import, late ones too."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.lineno, node.module


def safe(call, name):
    """Whether the argument that makes a call safe is written out."""
    argument, value = SAFE_ONLY_WITH[name]
    return any(
        keyword.arg == argument and isinstance(keyword.value, ast.Constant) and keyword.value.value is value
        for keyword in call.keywords
    )


def ways_to_run(source, where):
    """What in a file could run what another file says."""
    tree = ast.parse(source)
    for line, module in modules(tree):
        if module.split(".")[0] in RUNS_WHAT_IT_READS:
            yield f"line {line}: imports {module}"
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        name = dotted(node.func)
        if name in RUNS_TEXT or name in UNSAFE:
            yield f"line {node.lineno}: calls {name}"
        if name in SAFE_ONLY_WITH and not safe(node, name):
            yield f"line {node.lineno}: {name} without {SAFE_ONLY_WITH[name][0]}={SAFE_ONLY_WITH[name][1]}"
        if where not in MAY_LOAD.get(name, {where}):
            yield f"line {node.lineno}: calls {name}, which {', '.join(MAY_LOAD[name])} alone may"
        if any(keyword.arg == "shell" for keyword in node.keywords):
            yield f"line {node.lineno}: starts a shell"
        if any(keyword.arg == "trust_remote_code" for keyword in node.keywords):
            yield f"line {node.lineno}: trusts code of others"


def network(source):
    """(line, module) of what could open a connection."""
    for line, module in modules(ast.parse(source)):
        if module.split(".")[0] in NETWORK and module not in HARMLESS:
            yield f"line {line}: imports {module}"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_nothing_runs_what_a_file_says(path):
    where = path.relative_to(PACKAGE).as_posix()
    assert not list(ways_to_run(path.read_text(encoding="utf-8"), where))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_only_what_is_asked_to_speaks_to_others(path):
    where = path.relative_to(PACKAGE).as_posix()
    if not any(where == part or where.startswith(part + "/") for part in SPEAKS):
        assert not list(network(path.read_text(encoding="utf-8")))


@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "def late():\n    from joblib import load",
        "import torch\ntorch.load(path)",
        "import torch\ntorch.load(path, weights_only=False)",
        "import torch\ntorch.load(path, weights_only=True)",
        "np.load(path)",
        "numpy.load(path, allow_pickle=True)",
        "yaml.load(text)",
        "eval(text)",
        "subprocess.run(line, shell=True)",
        "AutoModel.from_pretrained(name, trust_remote_code=True)",
    ],
)
def test_a_way_to_run_is_seen(source):
    assert list(ways_to_run(source, "store.py"))


def test_what_is_safe_passes():
    assert not list(
        ways_to_run("np.load(f, allow_pickle=False)\nyaml.safe_load(t)\nmodel.eval()", "store.py")
    )
    assert not list(ways_to_run("torch.load(f, weights_only=True)", "pull/wheel.py"))
    assert not list(network("from urllib.parse import urlsplit"))


@pytest.mark.parametrize(
    "source", ["import socket", "def late():\n    import urllib.request", "from httpx import get"]
)
def test_a_way_out_is_seen(source):
    assert list(network(source))
