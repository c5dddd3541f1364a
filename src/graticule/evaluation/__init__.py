"""How good a model is: metrics, comparisons, baselines, reports."""
