"""Executes one run and writes its record, or an attempt that says why there is none.

Start with `execute.py`, the only place that catches the exceptions of a run. May import `storage`, `config`, `errors`,
`analysis.tables.folder` and `trainables`.
"""
