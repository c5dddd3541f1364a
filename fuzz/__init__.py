"""Hostile input against the doors of Graticule: what is promised there, seeds, and ways to break them.

target.py      what a target is, and how one input is tried on it
edits.py       changes to bytes, JSON, TIFF and PNG that know the format they break
targets/       one file a door
run.py         the long run: `make fuzz TIME_S=60`
worker.py      one target under atheris, in a process of its own

The short run is in tests/fuzz.
"""
