"""Which of the candidates is the answer: selectors, each a file of its own."""

from graticule.decoding.select.contract import Selector, answers_only
from graticule.decoding.select.risk import minimum_risk

__all__ = ["Selector", "answers_only", "minimum_risk"]
