"""What `tools/results.py` puts into the documents, section by section, from the files in benchmarks/results/."""
