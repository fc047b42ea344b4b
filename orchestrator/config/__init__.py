"""From an experiment file to run specs: read, check, resolve, enumerate.

In this order: `yaml_file.py` (reads YAML), `experiment.py` (what a file may say), `load.py` (a file or a built-in
name), `resolve.py` (looks up names, pins models and data, lists runs), `run_spec.py` (a run's id follows from its
content). Start with `load.py`. May import `errors`, `units`, `trainables` and `analysis`.
"""
