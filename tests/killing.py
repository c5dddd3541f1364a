"""Processes that are killed outright, for tests that what was cut off ends as an unharmed run does.

A test names some moments (`moments`) and runs a script of its own with them (`told_by`). The script imports what is
heavy once; for each moment it forks a process (`in_a_process`) in which a function is bound to kill (`dies_at`) when it
is called for the n-th time: `os.fsync` for "while the n-th file lies half written", `os.replace` for "just before it
gets its name", the work's own functions for the rest. Then it forks another that goes on unharmed, and prints a
line of words for the test to judge.

SIGKILL leaves a process no time for anything: no `finally`, no `atexit`, no flush.
"""

import os
import random
import signal
import subprocess
import sys
from pathlib import Path

MANY = "GRATICULE_KILLS"
"""An environment variable: how many moments every such test takes, for long runs."""


def moments(count, *, among, seed):
    """So many different numbers below `among`, sorted: the same every time, unless GRATICULE_KILLS asks for more."""
    wanted = int(os.environ.get(MANY, count))
    return sorted(random.Random(seed).sample(range(among), min(wanted, among)))


def told_by(script, *arguments, timeout=600, **environment):
    """Run a script in an interpreter of its own; gives the words of each line it prints.

    It can import graticule, and this module. It must end well.
    """
    here = Path(__file__).parent
    paths = os.pathsep.join([str(here.parent / "src"), str(here)])
    done = subprocess.run(
        [sys.executable, str(script), *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": paths, "OMP_NUM_THREADS": "1", **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=timeout,
    )
    assert done.returncode == 0, done.stderr
    return [line.split() for line in done.stdout.splitlines()]


def die(*_given, **_more):
    """End this process as a power cut would."""
    os.kill(os.getpid(), signal.SIGKILL)


def dies_at(number, function):
    """The function, but the call of that number, counted from 0, kills the process instead."""
    calls = iter(range(number))
    return lambda *given, **more: (die if next(calls, None) is None else function)(*given, **more)


def in_a_process(work, *arguments):
    """Do some work in a fork of this process; gives the signal that ended it, 0 for none.

    To be called before torch or faiss has computed anything: their threads do not survive a fork.

    Raises:
        SystemExit: the work failed by itself; what it said is on stderr.
    """
    child = os.fork()
    if child == 0:
        try:
            work(*arguments)
        except BaseException as error:
            os.write(2, f"{error!r}\n".encode())
            os._exit(1)
        os._exit(0)
    status = os.waitpid(child, 0)[1]
    if os.WIFEXITED(status) and os.WEXITSTATUS(status):
        raise SystemExit(f"{work.__name__}{arguments} failed")
    return os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0
