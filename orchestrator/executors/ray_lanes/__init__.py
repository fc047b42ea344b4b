"""Executes runs on Ray: lanes of warm workers, scheduled by Ray Tune. Only this room and `cluster` import Ray.

Start with `executor.py` (what a sweep calls), then `session.py` (the driver's loop) and `worker_loop.py` (what a worker
does). Ray's private parts come from `orchestrator/ray_private.py`. Carries out what `executors.lanes` decides. May
import everything in `executors` and all rooms below it, `analysis.tables.folder` and `trainables`.
"""
