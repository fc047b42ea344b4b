"""From an experiment file to run specs: read, check, resolve, enumerate.

In this order: `yaml_file.py` (reads YAML), `experiment.py` (what a file may say), `validation.py` (everything that is
wrong with it, worded by `error_messages.py` and `key_names.py`), `load.py` (a file or a built-in name), `resolve.py`
(looks up names, pins models and data, lists runs), `look.py` (the same without running anything), `run_spec.py` (a
run's id follows from its content). Start with `load.py`. May import `errors`, `units`, `trainables` and `analysis`.
"""
