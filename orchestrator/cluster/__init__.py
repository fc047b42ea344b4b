"""Clusters of many machines: checks a cluster file, starts and ends clusters, sends sweeps to them and follows them.

Start with `cluster_file.py` (what a file may say) and `jobs.py` (sending and following). May import `storage`,
`config`, `errors` and `trainables`. Together with `executors/ray_lanes` the only room that imports Ray.
"""
