"""Processes that are watched from their first line, for tests of what they must not do."""

import os


def hooked(folder, code, *paths):
    """Have Python run some code as a process begins: gives the PYTHONPATH that does it.

    Args:
        folder: to keep the code in.
        code: of a module.
        paths: further places of modules; empty ones are left out.
    """
    hook = folder / "hook"
    hook.mkdir()
    (hook / "sitecustomize.py").write_text(code)
    return os.pathsep.join(filter(None, [str(hook), *map(str, paths)]))
