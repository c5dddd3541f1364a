"""A page that needs nothing else: style and pictures inside, no scripts.

Its policy allows no loading from anywhere, and no style but its own, so that it may be mailed, archived and opened
offline.
"""

from __future__ import annotations

import base64
import hashlib
import io
from collections.abc import Iterable
from html import escape
from importlib import resources
from typing import Final

from PIL import Image

__all__ = ["page", "thumbnail"]

_HEIGHT: Final = 176


def page(title: str, body: Iterable[str], *, footer: str) -> str:
    """A whole page of HTML.

    Args:
        title: In plain words.
        body: The parts of the page, HTML.
        footer: What stands at its end, HTML.
    """
    style = resources.files("graticule.figures").joinpath("report.css").read_text("utf-8")
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = (
        f"default-src 'none'; img-src data:; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    )
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{style}</style>\n</head>\n<body>\n{''.join(body)}\n"
        f"<footer><p>{footer}</p></footer>\n</body>\n</html>\n"
    )


def thumbnail(image: Image.Image) -> str:
    """A small copy of a picture as an img element; the picture itself is made small."""
    image.thumbnail((2 * _HEIGHT, _HEIGHT), Image.Resampling.BICUBIC)
    out = io.BytesIO()
    image.save(out, "JPEG", quality=80)
    data = base64.b64encode(out.getvalue()).decode()
    return f'<img src="data:image/jpeg;base64,{data}" alt="" width="{image.width}" height="{image.height}">'
