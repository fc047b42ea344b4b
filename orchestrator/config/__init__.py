"""From an experiment file to run specs: read, check, resolve, enumerate.

In the order of a file: `yaml_file.py` (read), `experiment.py` (what a file may say), `load.py` (a file or a built-in
name), `resolve.py` (names looked up, models and data pinned, runs listed), `run_spec.py` (a run's id follows from its
content). Start with `load.py`. May import `errors`, `units`, `trainables` and `analysis`.
"""
