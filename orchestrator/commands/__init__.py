"""One verb per file, as a function: `sweep.py` is `orchestrate sweep`, and so on. Prints nothing.

Start with `sweep.py`. Several verbs share the files with a leading underscore. May import everything in `orchestrator`
except `console`, `cli` and `api`, and everything in `analysis` and `trainables`.
"""
