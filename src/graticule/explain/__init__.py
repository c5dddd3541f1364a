"""Answers in words: where the probability lies, by the names of places, never surer than the numbers."""

from graticule.explain.explanation import Explanation, explain
from graticule.explain.sentences import words

__all__ = ["Explanation", "explain", "words"]
