"""The machine a run works on: hardware, memory, precision, files that survive a kill, caches, access to the hub.

Start with `hardware.py` and `folder.py`. Knows nothing of training, models or data sets. May import `config` and
`registry` only.
"""
