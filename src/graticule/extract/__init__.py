"""Features of a source's pictures, computed once by a frozen encoder: on one machine, or on many with Ray."""
