"""Hyper-parameter search: what is tried next and what is ended early, as decisions over what is known of the trials.

Start with `study.py` (one system's trials) and `driver.py` (what executors are asked to begin and to end). The
algorithms are files in `searchers/` and `schedulers/`, found by their names. May import `executors`, `storage`,
`config` and `errors`.
"""
