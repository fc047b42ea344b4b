"""One data set a file: each exports `DATASET`, found by its file name.

Read `data/dataset.py` for the contract and `sst2.py` for an example. May import `data` and whatever stands below it.
"""
