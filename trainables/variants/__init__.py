"""One training technique per file: each exports `VARIANT` and is found by its file name.

Read `protocols/variant.py` for the contract and `length_bucketing.py` for an example. A variant that would change
nothing raises. May import `protocols` and whatever stands below it.
"""
