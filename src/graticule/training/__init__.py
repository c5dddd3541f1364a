"""One training loop, and the tasks that run through it."""
