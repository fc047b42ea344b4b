"""One task per file: each exports `TASK` and is found by its file name.

Read `protocols/task.py` for the contract and `sequence_classification.py` for an example. Files with a leading
underscore are shared by several tasks. May import `protocols` and whatever stands below it, and `analysis.metrics`.
"""
