"""Where pictures with known places come from."""
