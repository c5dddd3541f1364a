"""A row of the list of faults, which the file that tests it begins with; tools/reliability.py makes a table of them."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Fault:
    """What may go wrong, and what stands against it.

    Attributes:
        number: of its row, as in the file's name.
        fault: in a few words.
        defence: in a sentence, with where it is in the code.
    """

    number: int
    fault: str
    defence: str
