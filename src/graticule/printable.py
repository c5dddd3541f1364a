"""Text of strangers on a terminal: names of files may hold characters that command it."""

from __future__ import annotations

from typing import Final

__all__ = ["printable"]

_KEPT: Final = "\n\t"
_TURNING: Final = "\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
"""Characters that turn the direction of what follows: `gpj.exe` can be made to look like another name."""
_ESCAPED: Final = {
    ord(letter): letter.encode("unicode_escape").decode()
    for letter in [*map(chr, range(0x20)), *map(chr, range(0x7F, 0xA0)), *_TURNING]
    if letter not in _KEPT
}


def printable(text: str) -> str:
    r"""Text whose control characters are written out, such as `\x1b`: a terminal obeys none of it.

    Ends of lines and tabs stay.
    """
    return text.translate(_ESCAPED)
