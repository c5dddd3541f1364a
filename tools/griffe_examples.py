"""Examples in docstrings as code on the site: Google style knows `Example:`, mkdocstrings only `Examples:`."""

from __future__ import annotations

import re
from typing import Any

from griffe import Extension, Object

__all__ = ["Examples"]


class Examples(Extension):
    """Gives the section the name that is read as Python sessions."""

    def on_object(self, *, obj: Object, **_: Any) -> None:
        """Called for every module, class, function and attribute."""
        if obj.docstring is not None:
            obj.docstring.value = re.sub(
                r"^Example:$", "Examples:", obj.docstring.value, flags=re.MULTILINE
            ).replace("  # doctest: +SKIP", "")
