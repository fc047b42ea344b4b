"""The one training loop and everything it keeps: optimizer, evaluation, checkpoints, caches, outcome.

Start with `run.py` (one run) and `trainer.py` (the loop). Names no task, model or variant: they plug in through
`protocols/`. May import `protocols` and whatever stands below it, `analysis.metrics` and `analysis.tables.folder`.
"""
