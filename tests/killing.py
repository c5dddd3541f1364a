"""Processes that are killed outright, for tests that what was cut off ends as an unharmed run does.

A test runs a script of its own in a fresh interpreter (`told_by`). The script imports what is heavy once; for each kill
it forks a process (`in_a_process`) that dies at some moment (`killed.clock`), and then another that goes on unharmed.
It prints what it found, for the test to judge.

SIGKILL leaves a process no time for anything: no `finally`, no `atexit`, no flush.
"""

import os
import signal
import subprocess
import sys
from pathlib import Path

MANY = "GRATICULE_KILLS"
"""An environment variable: how many kills every such test tries, for long runs."""


def kills(count):
    """So many, unless GRATICULE_KILLS asks for more."""
    return int(os.environ.get(MANY, count))


def call_of(script, *arguments, **environment):
    """What `subprocess` takes to run a script in an interpreter of its own.

    It can import graticule and what lies in tests/. Sets have the same order each time, and torch has one thread.
    """
    here = Path(__file__).parent
    paths = os.pathsep.join([str(here.parent / "src"), str(here)])
    settings = {"PYTHONPATH": paths, "PYTHONHASHSEED": "0", "OMP_NUM_THREADS": "1", **environment}
    return {
        "args": [sys.executable, str(script), *map(str, arguments)],
        "env": {**os.environ, **settings},
        "text": True,
    }


def lines_of(script, *arguments, timeout=600, **environment):
    """Run a script, which must end well; gives the lines it prints."""
    call = call_of(script, *arguments, **environment)
    done = subprocess.run(**call, capture_output=True, check=False, timeout=timeout)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def told_by(script, *arguments, **settings):
    """As `lines_of`, but the words of each line."""
    return [line.split() for line in lines_of(script, *arguments, **settings)]


def die():
    """End this process as a power cut would."""
    os.kill(os.getpid(), signal.SIGKILL)


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
