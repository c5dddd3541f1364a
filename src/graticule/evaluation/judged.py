"""What an evaluation finds: a report for each model, and how models differ on the same pictures."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from rich.console import RenderableType

from graticule.evaluation.breakdown import Answers, Miss
from graticule.evaluation.comparison import Comparison
from graticule.evaluation.leakage import Audit
from graticule.evaluation.metrics import Summary
from graticule.evaluation.pictures import KnownPictures
from graticule.evaluation.places import Administrative
from graticule.evaluation.probabilistic import Probabilities
from graticule.evaluation.rulers import Ruler
from graticule.evaluation.terminal import pair_tables, report_tables

__all__ = ["Evaluation", "Pair", "Report"]


@dataclass(frozen=True)
class Report:
    """Figures of one model's every method on the same pictures.

    Attributes:
        model: name of the model.
        pictures: what was judged on, in words.
        refused: pictures that could not be read.
        distance: which was used, and what counts as within.
        summaries: method -> figures with 95 % bootstrap intervals.
        best: whichever decoding of the model's cells has the higher GeoScore.
        differences: baseline or selector -> `best` less that one, paired on the same pictures.
        probabilities: "raw", and "calibrated" where the model brings a calibration.
        administrative: whether `best` finds countries, regions, cities; None where the pictures have no labels.
        continents: continent of the truth -> figures of `best`.
        countries: country of the truth -> figures of `best`.
        worst: what `best` missed by most.
        audit: figures without the gallery rows that leak, where they were asked for.
        answers: picture by picture; not part of `to_dict`.
    """

    model: str
    pictures: str
    refused: int
    distance: Ruler
    summaries: dict[str, Summary]
    best: str
    differences: dict[str, Comparison]
    probabilities: dict[str, Probabilities]
    administrative: Administrative | None
    continents: dict[str, Summary]
    countries: dict[str, Summary]
    worst: list[Miss]
    audit: Audit | None
    answers: Answers = field(repr=False, compare=False)

    def to_dict(self) -> dict[str, Any]:
        """Plain data, for JSON."""
        plain = asdict(self)
        del plain["answers"]
        return plain | {"distance": self.distance.to_dict()}

    def table(self) -> RenderableType:
        """For a terminal."""
        return report_tables(self)


@dataclass(frozen=True)
class Pair:
    """Two models on the pictures that both could read.

    Attributes:
        first: name of one.
        second: name of the other.
        difference: the first's best decoding less the second's.
    """

    first: str
    second: str
    difference: Comparison


@dataclass(frozen=True)
class Evaluation:
    """One or more models on the same pictures.

    Attributes:
        reports: one a model, in the order they were named.
        pairs: every two of them.
        pictures: what they were judged on.
    """

    reports: list[Report]
    pairs: list[Pair]
    pictures: KnownPictures = field(repr=False, compare=False)

    def to_dict(self) -> dict[str, Any]:
        """Plain data, for JSON: the report of one model, or `reports` and `pairs`."""
        if len(self.reports) == 1:
            return self.reports[0].to_dict()
        return {
            "reports": [report.to_dict() for report in self.reports],
            "pairs": [asdict(pair) for pair in self.pairs],
        }

    def table(self) -> list[RenderableType]:
        """For a terminal."""
        return [*(report.table() for report in self.reports), *pair_tables(self.pairs)]
