"""Take the pictures of the map that the documents show, in a real browser against real servers.

    python tools/screenshots.py     # writes docs/images/map-*.png

Needs `pip install playwright` and Chromium.
"""

from __future__ import annotations

import argparse
import io
import re
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from PIL import Image

ROOT = Path(__file__).parents[1]
PICTURES = sorted((ROOT / "examples" / "pictures").glob("*.png"))
DESKTOP, PHONE = {"width": 1440, "height": 900}, {"width": 390, "height": 844}
SETTLING_MS = 4000
"""Software draws the globe slowly, and what has not been drawn yet can't be waited for by name."""
LARGEST_BYTES = 390_000
"""What is larger is kept in 256 colours."""
WEBGL = ("--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--no-sandbox")


@dataclass(frozen=True)
class Shot:
    """One picture of the map.

    Attributes:
        name: of the file, without `map-` and `.png`.
        show: brings a fresh page to what is shown.
        light: in light colours.
        phone: on a phone's screen.
    """

    name: str
    show: Callable[[Any], None]
    light: bool = False
    phone: bool = False


def main() -> None:
    """Start the servers, and take every picture."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--output", type=Path, default=ROOT / "docs" / "images")
    parser.add_argument("--only", help="the one picture of that name")
    options = parser.parse_args()
    from playwright.sync_api import sync_playwright

    with tempfile.TemporaryDirectory() as scratch, sync_playwright() as playwright:
        results = located(Path(scratch) / "archive.jsonl")
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=list(WEBGL))
        for arguments, shots in (
            (("serve", "--model", "orbit"), OF_PICTURES),
            (("review", results, "--folder", ROOT), OF_A_BATCH),
        ):
            wanted = [shot for shot in shots if options.only in (None, shot.name)]
            if wanted:
                with served(*arguments) as url:
                    for shot in wanted:
                        take(browser, url, shot, options.output / f"map-{shot.name}.png")
        browser.close()


def take(browser: Any, url: str, shot: Shot, path: Path) -> None:
    """Open the page, show what is to be shown, and keep it."""
    context = browser.new_context(
        viewport=PHONE if shot.phone else DESKTOP,
        device_scale_factor=2 if shot.phone else 1,
        color_scheme="light" if shot.light else "dark",
        reduced_motion="reduce",
    )
    page = context.new_page()
    page.set_default_timeout(120_000)
    page.goto(url)
    page.locator("html[data-globe=drawn]").wait_for(state="attached")
    page.locator(".model, .batch").first.wait_for()
    shot.show(page)
    page.wait_for_timeout(SETTLING_MS)
    image = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    image.save(path, optimize=True)
    if path.stat().st_size > LARGEST_BYTES:
        palette = image.quantize(256, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.FLOYDSTEINBERG)
        palette.save(path, optimize=True)
    context.close()
    print(f"{path.name}: {path.stat().st_size / 1000:.0f} kB")


def nothing(page: Any) -> None:
    """The page as it opens."""


def answer(page: Any, *, first: int = 0, count: int = 12) -> None:
    """Some of the examples, the first of them looked at."""
    page.locator("input[type=file]").first.set_input_files(
        [str(path) for path in PICTURES[first : first + count]]
    )
    page.locator("article.picture[aria-busy=false] .estimate").wait_for()
    if count > 1:
        page.locator(".frame[data-state=answered]").nth(1).wait_for()


def tab(name: str, **pictures: int) -> Callable[[Any], None]:
    """One of the four ways to look at an answer."""

    def show(page: Any) -> None:
        answer(page, **pictures)
        page.get_by_role("tab", name=name).click()

    return show


def only_in(page: Any) -> None:
    """An answer confined to a country."""
    answer(page, first=6)
    field = page.get_by_label("Country, box or circle")
    field.fill("Argentina")
    with page.expect_response("**/v1/locate"):
        field.press("Enter")
    page.locator(".estimate", has_text="of all probability lies in it").wait_for()


def draw(page: Any) -> None:
    """A region that is being drawn."""
    answer(page, first=6)
    page.wait_for_timeout(SETTLING_MS)
    page.get_by_role("button", name="Draw").click()
    for corner in ((300, 300), (470, 210), (690, 330), (610, 610), (360, 560)):
        page.mouse.click(*corner)


def review(page: Any) -> None:
    """A batch, some of it decided."""
    page.locator(".picture .estimate").wait_for()
    page.get_by_role("combobox", name="Show").select_option("all")
    for key in ("c", "c", "x", "c"):
        page.keyboard.press(key)
        page.wait_for_timeout(300)


OF_PICTURES = (
    Shot("empty", nothing),
    Shot("answer", answer),
    Shot("light", tab("Regions"), light=True),
    Shot("neighbours", tab("Neighbours", first=2, count=8)),
    Shot("steps", tab("Coarse to fine", first=6, count=6), light=True),
    Shot("only-in", only_in),
    Shot("draw", draw, light=True),
    Shot("phone", partial(answer, first=3, count=3), phone=True),
)
OF_A_BATCH = (Shot("review", review),)


def located(results: Path) -> Path:
    """The examples, located; by paths that tell nothing of this machine."""
    pictures = [path.relative_to(ROOT) for path in PICTURES]
    command = ["locate", *pictures, "--model", "orbit", "--format", "jsonl", "--output", results]
    subprocess.run(
        [sys.executable, "-m", "graticule", *map(str, command)], check=True, capture_output=True, cwd=ROOT
    )
    return results


@contextmanager
def served(*arguments: str | Path) -> Iterator[str]:
    """A server while the block runs, and where it is."""
    command = [sys.executable, "-m", "graticule", *map(str, arguments), "--port", "0", "--no-browser"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    try:
        said = ""
        for line in process.stderr:
            said += line
            if found := re.search(r"http://\S+/", line):
                # It logs every request: a pipe that nobody empties would stop it.
                threading.Thread(target=process.stderr.read, daemon=True).start()
                yield found[0]
                break
        else:
            raise SystemExit(f"the server ended: {said}")
    finally:
        process.terminate()
        process.wait()


if __name__ == "__main__":
    main()
