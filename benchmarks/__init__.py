"""Side-by-side measurements against peers; results are committed under `results/`."""
