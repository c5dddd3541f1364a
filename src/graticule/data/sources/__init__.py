"""Published data sets as they lie on disk: a file for each, read in place."""
