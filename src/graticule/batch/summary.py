"""What came of a batch, in numbers and reasons."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

from graticule.output.record import Record, reason

__all__ = ["Summary"]

_NAMES: Final = 3
"""Pictures named of each reason."""


@dataclass
class Summary:
    """Counts of records; it lets them through."""

    answered: int = 0
    """Among them those that are not sure."""
    not_sure: int = 0
    unknown: int = 0
    """Those that show nothing that the model knows; the estimate of these tells nothing."""
    refused: int = 0
    reasons: dict[str, tuple[int, list[str]]] = field(default_factory=dict)
    """Why pictures were refused: how many each, and the first few of them."""
    fallbacks: int = 0
    """Answers that a selector left to the model."""
    tokens: int = 0
    """What a judge's server counted."""

    def __call__(self, records: Iterable[Record]) -> Iterator[Record]:
        """The same records, counted."""
        for record in records:
            if "error" in record:
                self._refusal(record)
            else:
                self.answered += 1
                self.not_sure += "not_sure" in record
                self.unknown += "notice" in record
                if chosen := record.get("selection"):
                    self.fallbacks += chosen["fallback"] is not None
                    self.tokens += chosen.get("tokens", 0)
            yield record

    @property
    def pictures(self) -> int:
        """All that were asked about."""
        return self.answered + self.refused

    def _refusal(self, record: Record) -> None:
        self.refused += 1
        count, names = self.reasons.get(reason(record), (0, []))
        self.reasons[reason(record)] = count + 1, [*names, record["path"]][:_NAMES]

    def refusals(self) -> Iterator[str]:
        """A line for each reason, the most frequent first: how many, the first few names, and why."""
        for why, (count, names) in sorted(self.reasons.items(), key=lambda item: -item[1][0]):
            more = f" and {count - len(names):,} more" if count > len(names) else ""
            yield f"{count:,}  {', '.join(names)}{more}: {why.removesuffix('.')}"
