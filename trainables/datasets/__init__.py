"""Data sets, one per file: each exports `DATASET` and is found by its file name.

Read `data/dataset.py` for the contract and `sst2.py` for an example. May import `data` and everything below it.
"""
