"""The moments of a process: what it has done so far, counted, so that it can be killed at any of them.

    line    just before a line of Graticule's own source is executed, in the main thread
    file    just before something happens to a file or folder below a given one: it is made, brought down to the disk,
            renamed, linked, cut or deleted; and half-way through each write to one

Between two moments of `file` the disk does not change, but for what native libraries and other programs write.
"""

import _pyio
import builtins
import io
import os
import sys
import threading
from collections import Counter
from pathlib import Path

import graticule
from killing import die

SOURCES = str(Path(graticule.__file__).parent)
KINDS = ("line", "file")
_HELPERS = tuple(f"{SOURCES}/{name}" for name in ("store.py", "output/files.py", "metadata/files.py"))
_CHANGES = {"os.rename", "os.link", "os.remove", "os.mkdir", "os.rmdir", "os.truncate"}
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT


class Clock:
    """Counts the moments of this process from now on, to its end. One a process: it can not be taken away."""

    def __init__(self, folder, *, at=None, witness=None, renamed=None):
        """Begin.

        Args:
            folder: whose files count.
            at: (kind, number) of the moment, from 0, at which the process is killed; None: never.
            witness: a file, to be told before that where the process was.
            renamed: told (from, to) before a file gets its name.
        """
        self.seen = Counter(dict.fromkeys(KINDS, 0))
        self._folder, self._at, self._witness, self._renamed = str(folder), at, witness, renamed
        self._thread = threading.get_ident()
        self._watch_files()
        if at is None or at[0] == "line":
            sys.settrace(self._call)

    def tick(self, kind, last=None):
        """A moment is there; if it is the one, do a last thing and die."""
        if threading.get_ident() != self._thread:
            return
        number = self.seen[kind]
        self.seen[kind] += 1
        if self._at == (kind, number):
            sys.settrace(None)
            if last:
                last()
            if self._witness:
                _tell(self._witness, _phase(sys._getframe()))
            die()

    def _call(self, frame, event, given):
        return self._line if frame.f_code.co_filename.startswith(SOURCES) else None

    def _line(self, frame, event, given):
        if event == "line":
            self.tick("line")
        return self._line

    def _watch_files(self):
        clock, fsync = self, os.fsync

        class File(io.FileIO):
            """A file that may be written by half."""

            def write(self, data):
                if clock._counts(self.name):
                    clock.tick("file", lambda: io.FileIO.write(self, bytes(data)[: len(data) // 2]))
                return super().write(data)

        def synced(file):
            clock.tick("file")
            fsync(file)

        # The standard library has `open` in Python too, around whatever file class it is given.
        _pyio.FileIO = File
        for name in ("BufferedReader", "BufferedWriter", "BufferedRandom", "TextIOWrapper"):
            setattr(_pyio, name, getattr(io, name))
        io.open = builtins.open = _pyio.open
        os.fsync = synced
        sys.addaudithook(self._audit)

    def _audit(self, event, given):
        if event in _CHANGES:
            # Deleting a tree names what is in a folder relative to it.
            if any(map(self._counts, given)) or (isinstance(given[-1], int) and given[-1] > 0):
                self.tick("file")
                if event in ("os.rename", "os.link") and self._renamed:
                    self._renamed(Path(given[0]), Path(given[1]))
        elif event == "open" and isinstance(given[2], int) and given[2] & _WRITING and self._counts(given[0]):
            self.tick("file")

    def _counts(self, name):
        return isinstance(name, str | os.PathLike) and str(name).startswith(self._folder)


def _phase(frame):
    """The module of Graticule's that is at work, the function and the line; what only writes files is passed over."""
    found = None
    while frame:
        name = frame.f_code.co_filename
        if name.startswith(SOURCES) and (found is None or found.f_code.co_filename.startswith(_HELPERS)):
            found = frame
        frame = frame.f_back
    if found is None:
        return "-"
    module = Path(found.f_code.co_filename).relative_to(SOURCES).with_suffix("")
    return f"{'.'.join(module.parts)}:{found.f_code.co_name}:{found.f_lineno}"


def _tell(path, text):
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.write(file, text.encode())
    os.close(file)
