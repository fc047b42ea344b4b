"""From an experiment file to run specs: read, check, resolve, enumerate.

In the order of a file: `yaml_file.py` (read), `experiment.py` (what a file may say), `load.py` (a file or a built-in
name), `resolve.py` (names looked up, models and data pinned), `grid.py` and `run_spec.py` (runs whose ids follow from
their content). Start with `load.py`. May import `errors`, `units`, `trainables` and `analysis`.
"""
