"""What the code must not hold: ways to run what a file says, and sockets where nobody asked for a network."""

import ast
import re
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "src" / "graticule"
FILES = sorted(PACKAGE.rglob("*.py"))

RUNS_WHAT_IT_READS = {
    *("pickle", "cPickle", "_pickle", "pickletools", "dill", "cloudpickle", "marshal", "shelve", "joblib"),
    *("dbm", "code", "codeop", "runpy", "imp", "pty", "ctypes", "cffi"),
    *("torch.package", "torch.jit", "torch.hub", "torch.utils.cpp_extension"),
    *("numpy.lib.format", "yaml.constructor", "multiprocessing.connection", "multiprocessing.managers"),
    # Of XML only what makes or names elements: what reads it is defusedxml's.
    *("xml.sax.expatreader", "xml.parsers", "xml.dom", "lxml", "xmltodict"),
}
MAY_IMPORT = {"ctypes": {"serving/freed.py"}}
"""The C library of this process is asked to give back what was freed; no file names what is loaded."""
RUNS_TEXT = {"eval", "exec", "compile", "__import__"}
LOADS_NAMES = {
    "registry.py": "the module is looked up in its own table; what is not in there is refused",
    "__init__.py": "the same, of the public names",
    "training/distributed.py": "a name that is written out",
}
"""Files that may import what they name at run time, and why that is no name from a file."""
SAFE_ONLY_WITH = {
    "torch.load": ("weights_only", True),
    "numpy.load": ("allow_pickle", False),
    "tokenizer.from_pretrained": ("local_files_only", True),
}
"""Calls, and the argument that must be written out for them to unpickle nothing, or fetch nothing."""
UNSAFE = {
    *("yaml.load", "yaml.load_all", "yaml.unsafe_load", "yaml.unsafe_load_all", "yaml.full_load"),
    *("yaml.full_load_all", "yaml.Loader", "yaml.UnsafeLoader", "yaml.FullLoader"),
    *(
        "os.system",
        "os.popen",
        "os.startfile",
        "os.execv",
        "os.execvp",
        "os.spawnv",
        "os.spawnl",
        "pty.spawn",
    ),
    *("subprocess.getoutput", "subprocess.getstatusoutput", "subprocess.call", "subprocess.check_output"),
    *("torch.hub.load", "torch.jit.load", "torch.package.PackageImporter"),
    *("torch.ops.load_library", "torch.classes.load_library", "torch.serialization.add_safe_globals"),
    *("pandas.read_pickle", "pandas.read_hdf"),
    *("pyarrow.deserialize", "pyarrow.ipc.read_serialized", "pyarrow.register_extension_type"),
    *("faiss.read_index", "faiss.read_VectorTransform", "faiss.read_index_binary"),
    *("shutil.unpack_archive", "logging.config.listen", "logging.config.fileConfig", "tempfile.mktemp"),
    *("xml.etree.ElementTree.parse", "xml.etree.ElementTree.fromstring", "xml.etree.ElementTree.XML"),
    *(
        "xml.etree.ElementTree.iterparse",
        "xml.etree.ElementTree.XMLParser",
        "xml.sax.parse",
        "xml.sax.parseString",
    ),
}
"""Calls that run, fetch or trust what they are given, by their whole names."""
UNSAFE_METHODS = {"extractall", "extract", "unpack_archive", "read_pickle"}
"""Of whatever object: an archive's members may name places outside the folder."""
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
    *("huggingface_hub", "websockets", "asyncio", "telnetlib", "xmlrpc", "imaplib", "poplib", "nntplib"),
    *("selectors", "socketserver", "webbrowser", "torch.hub", "torch.distributed.rpc", "grpc", "fsspec"),
    *("pyarrow.fs", "pyarrow.flight", "multiprocessing.connection", "dns", "paramiko", "boto3"),
}
SPEAKS = {
    "images/remote.py": "fetches a picture from an address, when `graticule locate --allow-urls` is asked for",
    "pull": "fetches models, when `graticule models pull` is asked for",
    "decoding/judge": "asks the server that --judge names",
    "serving": "listens",
}
HARMLESS = {"urllib.parse"}


def dotted(node, names):
    """`a.b.c` of an expression, by its whole name where a part of it was imported; or nothing."""
    if isinstance(node, ast.Name):
        return names.get(node.id, node.id)
    if isinstance(node, ast.Attribute) and (before := dotted(node.value, names)):
        return f"{before}.{node.attr}"
    return ""


def modules(tree):
    """(line, module) of every import, late ones too; what is taken from a module may itself be one."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.lineno, node.module
            yield from ((node.lineno, f"{node.module}.{alias.name}") for alias in node.names)


def whole_names(tree):
    """What each imported name of a file means: `np` is numpy, and `load` may be numpy.load."""
    found = {"np": "numpy", "pd": "pandas", "pa": "pyarrow"}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.asname: alias.name for alias in node.names if alias.asname}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
    return found


def within(name, several):
    """Whether a module is one of several, or inside one."""
    return any(name == one or name.startswith(one + ".") for one in several)


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
    names = whole_names(tree)
    for line, module in modules(tree):
        if within(module, RUNS_WHAT_IT_READS) and where not in MAY_IMPORT.get(module, ()):
            yield f"line {line}: imports {module}"
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute | ast.Name) and dotted(node, names) in UNSAFE:
            # Not calls alone: what is given on can be called elsewhere.
            yield f"line {node.lineno}: names {dotted(node, names)}"
        if isinstance(node, ast.Call):
            yield from (f"line {node.lineno}: {fault}" for fault in faults_of_call(node, names, where))


def faults_of_call(node, names, where):
    """What is wrong with one call."""
    name = dotted(node.func, names)
    method = node.func.attr if isinstance(node.func, ast.Attribute) else name
    given = {keyword.arg for keyword in node.keywords}
    if name in RUNS_TEXT or method in UNSAFE_METHODS:
        yield f"calls {name or method}"
    if method == "from_pretrained":
        # Of weights it may read pickles, and fetch: only a tokenizer's files, and those of a folder.
        name = "tokenizer.from_pretrained" if where == "encoders/clip_text.py" else "transformers weights"
        if name not in SAFE_ONLY_WITH:
            yield "calls from_pretrained, which may unpickle weights: read safetensors"
    if name in SAFE_ONLY_WITH and not safe(node, name):
        yield f"{name} without {SAFE_ONLY_WITH[name][0]}={SAFE_ONLY_WITH[name][1]}"
    if where not in MAY_LOAD.get(name, {where}):
        yield f"calls {name}, which {', '.join(MAY_LOAD[name])} alone may"
    if (
        name in ("importlib.import_module", "importlib.util.spec_from_file_location")
        and where not in LOADS_NAMES
    ):
        yield f"calls {name}, which {', '.join(LOADS_NAMES)} alone may"
    if "shell" in given:
        yield "starts a shell"
    if name in ("subprocess.run", "subprocess.Popen") and node.args and not is_list(node.args[0]):
        yield "starts a process by a line of text; give a list of words"
    if "trust_remote_code" in given:
        yield "trusts code of others"


def is_list(node):
    """Whether a command is words, or a name that may be some; a text that is put together never is."""
    return not isinstance(node, ast.JoinedStr | ast.Constant | ast.BinOp)


def network(source):
    """(line, module) of what could open a connection."""
    for line, module in modules(ast.parse(source)):
        if within(module, NETWORK) and not within(module, HARMLESS):
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
        "import pickle as p",
        "from torch import package",
        "from torch import jit",
        "import torch.package",
        "from numpy.lib import format",
        "def late():\n    from joblib import load",
        "import torch\ntorch.load(path)",
        "import torch\ntorch.load(path, weights_only=False)",
        "import torch\ntorch.load(path, weights_only=True)",
        "import torch as t\nt.load(path)",
        "from torch import load as opened\nopened(path)",
        "from torch import serialization\nserialization.add_safe_globals([x])",
        "import torch\ntorch.jit.load(path)",
        "np.load(path)",
        "import numpy as n\nn.load(path)",
        "from numpy import load\nload(path)",
        "numpy.load(path, allow_pickle=True)",
        "np.load(path, **options)",
        "import pandas as pd\npd.read_pickle(path)",
        "frame.read_pickle(path)",
        "import pyarrow as pa\npa.register_extension_type(kind)",
        "import faiss\nfaiss.read_index(path)",
        "from faiss import read_index\nread_index(path)",
        "yaml.load(text)",
        "from yaml import load\nload(text)",
        "loader = yaml.load_all",
        "eval(text)",
        "subprocess.run(line, shell=True)",
        "subprocess.run(f'exiftool {name}')",
        "from subprocess import run\nrun('ls ' + name)",
        "subprocess.getoutput(line)",
        "from os import system\nsystem(line)",
        "run_it = os.system",
        "AutoModel.from_pretrained(name, trust_remote_code=True)",
        "CLIPVisionModel.from_pretrained(folder)",
        "CLIPVisionModel.from_pretrained(folder, local_files_only=True)",
        "from importlib import import_module\nimport_module(config['class'])",
        "import importlib\nimportlib.import_module(name)",
        "archive.extractall(folder)",
        "tar.extract(member, folder)",
        "shutil.unpack_archive(path)",
        "from xml.etree.ElementTree import fromstring\nfromstring(text)",
        "import xml.etree.ElementTree as ET\nET.parse(path)",
        "from xml.dom import minidom",
        "import lxml.etree",
        "import ctypes",
    ],
)
def test_a_way_to_run_is_seen(source):
    assert list(ways_to_run(source, "store.py"))


@pytest.mark.parametrize(
    ("source", "where"),
    [
        ("np.load(f, allow_pickle=False)\nyaml.safe_load(t)\nmodel.eval()", "store.py"),
        ("torch.load(f, weights_only=True)", "pull/wheel.py"),
        ("kind.from_pretrained(folder, local_files_only=True)", "encoders/clip_text.py"),
        ("from importlib import import_module\nimport_module(name)", "registry.py"),
        ("subprocess.run(command)\nsubprocess.run([*words, name])", "store.py"),
        ("from defusedxml.ElementTree import fromstring\nfromstring(t)", "store.py"),
        ("from xml.etree.ElementTree import Element, tostring", "store.py"),
        ("import re\nre.compile(text)", "store.py"),
    ],
)
def test_what_is_safe_passes(source, where):
    assert not list(ways_to_run(source, where))


def test_taking_addresses_apart_is_no_way_out():
    assert not list(network("from urllib.parse import urlsplit"))


def test_what_may_be_done_is_still_done_there():
    """An exception that nothing needs any longer is a hole."""
    for where in {*LOADS_NAMES, *set().union(*MAY_LOAD.values(), *MAY_IMPORT.values())}:
        assert (PACKAGE / where).is_file(), where
    for part in SPEAKS:
        files = [PACKAGE / part] if part.endswith(".py") else sorted((PACKAGE / part).rglob("*.py"))
        assert any(list(network(file.read_text(encoding="utf-8"))) for file in files), part


@pytest.mark.parametrize(
    "source",
    [
        "import socket",
        "def late():\n    import urllib.request",
        "from httpx import get",
        "from urllib import request",
        "import http.client",
        "from torch import hub",
        "from pyarrow import fs",
        "import webbrowser",
    ],
)
def test_a_way_out_is_seen(source):
    assert list(network(source))


def test_what_the_threat_model_names_is_there():
    """A claim whose test has gone is no claim."""
    root = PACKAGE.parents[1]
    told = (root / "SECURITY.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`((?:[a-z_]+/)+[a-z0-9_]*(?:\.py)?|[a-z-]+\.(?:txt|lock))`", told))
    assert len(named) > 40
    assert not [name for name in named if not (root / name).exists() and not (PACKAGE / name).exists()]
