"""Clusters of many machines: checks a cluster file, starts and ends clusters, sends sweeps to them and follows them.

Start with `cluster_file.py` (what a file may say) and `jobs.py` (sending and following). May import `storage`,
`config`, `ray_private`, `errors`, `analysis.tables.folder` and `trainables`. Imports Ray, as `executors/ray_lanes`
does; Ray's private parts come from `orchestrator/ray_private.py`.
"""
