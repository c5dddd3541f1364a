"""Fetch the world's land and country outlines again: `python tools/vendor_borders.py` (needs npm).

Natural Earth at 1:50 million, public domain, as TopoJSON in the npm package world-atlas (ISC). The file is
committed, so that a map can be drawn offline; this script is how it came to be, and its digest is checked.
"""

from __future__ import annotations

import hashlib
import subprocess
import tarfile
import tempfile
from pathlib import Path

PACKAGE = "world-atlas@2.0.2"
MEMBER = "package/countries-50m.json"
SHA256 = "04342cdc1e3016bcd7db1630de95684d67b79fe3c8c460321e87aef469502394"
TARGET = Path(__file__).parents[1] / "src/graticule/earth/data/countries-50m.json"


def main() -> None:
    """Pack, unpack, check, write."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(
            ["npm", "pack", "--silent", PACKAGE], cwd=folder, check=True, stdout=subprocess.DEVNULL
        )
        [archive] = Path(folder).glob("world-atlas-*.tgz")
        with tarfile.open(archive) as packed:
            member = packed.extractfile(MEMBER)
            if member is None:
                raise SystemExit(f"{PACKAGE} holds no {MEMBER}")
            content = member.read()
    digest = hashlib.sha256(content).hexdigest()
    if digest != SHA256:
        raise SystemExit(f"{MEMBER} of {PACKAGE} has digest {digest}, not {SHA256}")
    TARGET.parent.mkdir(exist_ok=True)
    TARGET.write_bytes(content)
    print(f"{TARGET}: {len(content)} bytes")


if __name__ == "__main__":
    main()
