"""Executes runs on Ray: lanes of warm workers, scheduled by Ray Tune. Only this room and `cluster` import Ray.

Start with `executor.py` (what a sweep calls), then `session.py` (all that is up at once) and `worker_loop.py` (what a
worker does). What is private of Ray comes from `orchestrator/ray_private.py`. Acts on the decisions of
`executors.lanes`. May import everything in `executors` and whatever stands below it, `analysis.tables.folder` and
`trainables`.
"""
