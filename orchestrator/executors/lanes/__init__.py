"""Who executes which run: decisions as plain functions and one state machine. No Ray, no threads, no clock.

Start with `policy.py` (layout, retries, budgets), then `scheduler.py` (which lane holds which run). May import
`executors.events`, `worker`, `storage`, `config` and `errors`.
"""
