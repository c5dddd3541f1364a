"""How soon the map is there: first paint, the panel ready for pictures, the globe drawn, and the first answer on it.

    python benchmarks/map.py --output benchmarks/results/map.json

In Chromium, against `graticule serve` on this machine, each time with an empty cache. Without a graphics card the
globe is drawn by software, which is named in the results. Needs `pip install playwright`.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import statistics
import time
from pathlib import Path
from typing import Any

from service.server import served

PICTURE = Path(__file__).parents[1] / "examples" / "pictures" / "view-000000.png"
WEBGL = ("--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--no-sandbox")
WINDOW = {"width": 1440, "height": 900}

TIMES = """() => {
    const at = (name) => performance.getEntriesByName(name)[0].startTime / 1000;
    return {
        first_paint_s: at("first-contentful-paint"),
        panel_ready_s: at("panel ready"),
        globe_drawn_s: at("globe drawn"),
    };
}"""


def main() -> None:
    """Measure, print, and write the figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / "results" / "map.json")
    options = parser.parse_args()
    from playwright.sync_api import sync_playwright

    with served("orbit") as server, sync_playwright() as playwright:
        url = f"http://127.0.0.1:{server.port}/"
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=list(WEBGL))
        visit(browser, url)  # the first visit starts the browser's own processes
        visits = [visit(browser, url) for _ in range(options.repeats)]
        version = browser.version
        browser.close()
    figures = {name: statistics.median(one[name] for one in visits) for name in visits[0]}
    for name, seconds in figures.items():
        print(f"{name:16} {seconds:6.2f}")
    machine = {"cores": os.cpu_count(), "processor": platform.processor() or platform.machine()}
    described = {"browser": f"Chromium {version}, drawing by software", "repeats": options.repeats, **machine}
    options.output.write_text(json.dumps(described | figures, indent=2) + "\n")


def visit(browser: Any, url: str) -> dict[str, float]:
    """Seconds from the navigation, as the page itself marked them, and from a picture to its answer."""
    context = browser.new_context(viewport=WINDOW, reduced_motion="reduce")
    page = context.new_page()
    page.set_default_timeout(120_000)
    page.goto(url)
    page.locator("html[data-globe=drawn]").wait_for(state="attached")
    page.locator(".model").wait_for()
    times: dict[str, float] = page.evaluate(TIMES)
    start = time.perf_counter()
    page.locator("input[type=file]").first.set_input_files(str(PICTURE))
    page.locator("article.picture[aria-busy=false] .estimate").wait_for()
    times["answer_s"] = time.perf_counter() - start
    context.close()
    return times


if __name__ == "__main__":
    main()
