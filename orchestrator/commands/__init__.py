"""One verb a file, as a function: `sweep.py` is `orchestrate sweep`, and so on. Prints nothing.

Start with `sweep.py`. Files with a leading underscore are shared by several verbs. May import everything in
`orchestrator` but `console`, `cli` and `api`, and `analysis` and `trainables`.
"""
