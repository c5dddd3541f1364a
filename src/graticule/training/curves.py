"""The figures of a run, step by step: as lines of JSON, and for TensorBoard where that is installed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Any

from graticule.errors import InputError
from graticule.store import write_whole

__all__ = ["Curves"]


class Curves:
    """`log.jsonl` and `tensorboard/` in a run's folder.

    A run that was killed has told of steps after its last checkpoint, which it will take again when it is resumed:
    what was told of them is dropped, so that each step comes once. So is a line that was cut off.
    """

    def __init__(self, folder: Path, *, step: int) -> None:
        """Open them.

        Args:
            folder: the run's.
            step: how many steps it has taken.
        """
        path = folder / "log.jsonl"
        if path.exists():
            told = path.read_bytes().splitlines(keepends=True)
            kept = [line for line in told if line.endswith(b"\n") and json.loads(line)["step"] <= step]
            if kept != told:
                write_whole(path, b"".join(kept))
        self._path = path
        self._log = path.open("a", encoding="utf-8", buffering=1)
        self._board: Any = None
        if find_spec("tensorboard"):
            from torch.utils.tensorboard import SummaryWriter

            with self._writing():
                self._board = SummaryWriter(folder / "tensorboard", purge_step=step + 1)

    def __enter__(self) -> Curves:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._writing():  # what did not fit is tried once more, and refused once more
            if self._board is not None:
                self._board.close()
            self._log.close()

    def train(self, step: int, figures: dict[str, float]) -> None:
        """Figures of one batch."""
        self._tell({"step": step, **figures}, "train", figures)

    def validation(self, step: int, figures: dict[str, float]) -> None:
        """Figures of the validation split after so many steps."""
        self._tell({"step": step, "validation": figures}, "validation", figures)

    def flush(self) -> None:
        """Put what was told on disk: a checkpoint's steps will not be taken again."""
        if self._board is not None:
            with self._writing():
                self._board.flush()

    def _tell(self, line: dict[str, Any], kind: str, figures: dict[str, float]) -> None:
        with self._writing():
            self._log.write(json.dumps(line) + "\n")
            if self._board is not None:
                for name, value in figures.items():
                    self._board.add_scalar(f"{kind}/{name}", value, line["step"])

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """Say of a full disk what to do about it."""
        try:
            yield
        except OSError as error:
            raise InputError(
                f"{self._path}: can't be written ({error.strerror}); make room, and run again to go on from the last "
                "checkpoint."
            ) from error
