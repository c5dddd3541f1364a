"""Cell models: what they are given, what they promise, and those on offer."""
