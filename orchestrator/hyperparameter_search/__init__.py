"""Hyper-parameter search: decides from the trials so far what to try next and what to end early.

Start with `study.py` (one system's trials) and `driver.py` (what executors are told to start and to end). The
algorithms are files in `searchers/` and `schedulers/`, found by their names. May import `executors`, `storage`,
`config` and `errors`.
"""
