"""Deals with the machine that a run works on: hardware, memory, precision, caches and access to the hub.

Start with `hardware.py`. Knows nothing of training, models or data sets. May import `config` and `registry` only.
"""
