"""The Earth: cells, distances, borders."""
