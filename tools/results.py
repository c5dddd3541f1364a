"""Write the README's results from the files in benchmarks/results/, so that no figure is typed by hand.

python tools/results.py           # rewrites the section between the markers
python tools/results.py --check   # fails if the section is not what the files say
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from graticule.evaluation.markdown import difference_table, figure, method_table

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results"
BEGIN, END = "<!-- results -->", "<!-- /results -->"
NAMES = {"january": "simulated January", "relief": "shaded relief", "atlas": "relief atlas"}


def load(name: str) -> dict[str, Any]:
    """One results file."""
    content: dict[str, Any] = json.loads((RESULTS / f"{name}.json").read_text())
    return content


def shift(report: dict[str, Any]) -> list[str]:
    """Mosaics the model has never seen."""
    lines = [
        "| mosaic | method | < 25 km, % | < 200 km, % | median km | GeoScore |",
        "|---|---|---:|---:|---:|---:|",
    ]
    for name, judged in report["mosaics"].items():
        for method in (judged["best"], "gallery retrieval"):
            summary = judged["summaries"][method]
            cells = [figure(summary["within"][t], scale=100, digits=1) for t in ("25", "200")]
            cells += [figure(summary["median_km"]), figure(summary["geoscore"])]
            lines.append(f"| {NAMES[name]} | {method} | " + " | ".join(cells) + " |")
    return lines


def section() -> str:
    """The whole section."""
    report, shifted = load("evaluate"), load("shift")
    cells, decoding, locate = load("cells"), load("decoding"), load("locate")
    count = next(iter(report["summaries"].values()))["count"]
    ratios = cells["times_faster"]
    peer_command = (
        f"python benchmarks/decoding.py --pictures {decoding['pictures']} --repeats {decoding['repeats']}"
    )
    pictures = locate["pictures"]
    lines = [
        f"The shipped model on {count:,} fresh noisy views of the embedded world, beside baselines on the same",
        "features and gallery (32,768 pictures); ± is half a 95 % bootstrap interval.",
        "",
        method_table(report),
        "",
        "The difference on the same pictures (paired bootstrap):",
        "",
        difference_table(report),
        "",
        "    graticule evaluate --source orbit --split test --format json --output benchmarks/results/evaluate.json",
        "",
        "How it fares when the Earth looks otherwise than in training (the January is simulated by rules that training",
        "does not use; the others are drawn maps, in colours no satellite saw, and there the model is lost):",
        "",
        *shift(shifted),
        "",
        "    python benchmarks/shift.py --output benchmarks/results/shift.json",
        "",
        "Speed, on the two cores named in each file:",
        "",
        "| what | figure | command |",
        "|---|---|---|",
        f"| `graticule locate` on {pictures:,} pictures, start to finish | {pictures / locate['command_beam_s']:.0f} "
        f"pictures/s (beam), {pictures / locate['command_greedy_s']:.0f} (greedy), {locate['threads']} threads "
        "| `python benchmarks/locate.py` |",
        f"| first answer from cold | {locate['cold_s']:.1f} s | same |",
        "| the whole road against its encoder alone | "
        f"{locate['warm_beam_s'] / locate['encoder_s']:.2f} times the time | same |",
        f"| S2 cells of {cells['points']:,} points against s2geometry's binding | encoding "
        f"{ratios['graticule encode vs s2geometry']:.0f}, decoding "
        f"{ratios['graticule decode vs s2geometry']:.0f} times faster | `python benchmarks/cells.py` |",
        f"| the same against the package s2cell | encoding {ratios['graticule encode vs s2cell']:.0f}, decoding "
        f"{ratios['graticule decode vs s2cell']:.0f} times faster | same |",
    ]
    lines += [
        f"| paper-size GeoToken, beam {beam['width']}, cached against recomputing everything | "
        f"{beam['times_faster']:.1f} times faster, same answer | `{peer_command}` |"
        for beam in decoding["beams"]
    ]
    return "\n".join([BEGIN, *lines, END])


def main() -> None:
    """Rewrite or check."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--check", action="store_true")
    check = parser.parse_args().check
    readme = ROOT / "README.md"
    text = readme.read_text()
    before, rest = text.split(BEGIN, 1)
    new = before + section() + rest.split(END, 1)[1]
    if check:
        if new != text:
            raise SystemExit(
                "README.md: its results are not what benchmarks/results says; run tools/results.py"
            )
        return
    readme.write_text(new)


if __name__ == "__main__":
    main()
