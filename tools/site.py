"""What MkDocs does beside its own work (`hooks` in mkdocs.yml): pages that are not files of docs/.

- The reference of the command line is written from the commands.
- Documents of the repository's root (README aside) become pages, and links to and from them follow.
- A link to a file that is no page, such as a config, becomes its path as plain text: the site stands by itself.
"""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath
from typing import Final

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

from cli_reference import reference

__all__ = ["on_files", "on_page_markdown"]

ROOT: Final = Path(__file__).parents[1]
DOCUMENTS: Final = {
    "CHANGELOG.md": "project/changelog.md",
    "CONTRIBUTING.md": "project/contributing.md",
    "RESPONSIBLE_USE.md": "project/responsible-use.md",
    "SECURITY.md": "project/security.md",
}
"""Documents of the root, and where they stand on the site."""
README: Final = "index.md"
"""What stands for the README on the site."""

_LINK: Final = re.compile(r"(?<!!)\[([^\]]*)\]\((?!https?:|mailto:|#)([^)#\s]+)(#[^)\s]*)?\)")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that are not files of docs/."""
    files.append(File.generated(config, "reference/cli.md", content=reference()))
    for name, page in DOCUMENTS.items():
        files.append(File.generated(config, page, content=(ROOT / name).read_text(encoding="utf-8")))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Let links between docs/ and the rest of the repository lead where their targets are on the site."""
    here = page.file.src_uri
    origins = {site: name for name, site in DOCUMENTS.items()}
    source = PurePosixPath(origins.get(here, f"docs/{here}"))

    def led(match: re.Match[str]) -> str:
        text, target, anchor = match[1], match[2], match[3] or ""
        wanted = _joined(source.parent, target)
        site = {**DOCUMENTS, "README.md": README}.get(wanted) or wanted.removeprefix("docs/")
        if site == wanted or files.get_file_from_path(site) is None:
            return match[0] if wanted.startswith("docs/") else text
        return f"[{text}]({_relative(PurePosixPath(here).parent, site)}{anchor})"

    return _LINK.sub(led, markdown)


def _joined(folder: PurePosixPath, target: str) -> str:
    """A path from the repository's root, without any `..`."""
    parts: list[str] = []
    for part in (*folder.parts, *target.split("/")):
        if part == ".." and parts:
            parts.pop()
        elif part not in ("", "."):
            parts.append(part)
    return "/".join(parts)


def _relative(folder: PurePosixPath, target: str) -> str:
    return "../" * len(folder.parts) + target
