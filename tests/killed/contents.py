"""What a folder holds, but for what may differ from run to run: the time it took."""

import hashlib
import json
from contextlib import suppress

DATED = {
    "checkpoint.safetensors": "the seconds of the run so far, in its metadata",
    "ledger.jsonl": "the seconds that a shard took",
}
"""Files that are compared without what is said of them here."""
OWN = {
    "tensorboard": "is named after the time, the machine and the process",
    "results.write-journal.jsonl": "tells of every run; that it leads back to what was is tried",
}
"""Files and folders that are not compared."""


def contents(folder):
    """Relative path -> digest of what it holds, for every file; None for a folder."""
    found = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder)
        if not OWN.keys() & set(name.parts):
            found[str(name)] = digest(path) if path.is_file() else None
    return found


def digest(path, *, name=None):
    """Of the bytes of a file, or of one that is going to have another name, without its date."""
    data = path.read_bytes()
    undated = {"checkpoint.safetensors": _without_seconds, "ledger.jsonl": _without_seconds_of_shards}
    with suppress(ValueError, LookupError):  # half of one
        data = undated.get(name or path.name, bytes)(data)
    return hashlib.sha256(data).hexdigest()


def _without_seconds(data):
    begin = 8 + int.from_bytes(data[:8], "little")
    header = json.loads(data[8:begin])
    progress = json.loads(header["__metadata__"].pop("progress"))
    return json.dumps([header, {**progress, "seconds": None}]).encode() + data[begin:]


def _without_seconds_of_shards(data):
    lines = [{**json.loads(line), "seconds": None} for line in data.splitlines()]
    return json.dumps(lines).encode()
