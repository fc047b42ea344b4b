"""Tasks, data sets, models, variants and the one training loop. Imports neither Ray nor the orchestrator.

Start with `training/run.py`: one run from its configuration to its outcome. From there, top to bottom:

`tools/` answers questions about a model or a saved run; `training/` is the loop; `tasks/`, `variants/`, `models/` and
`datasets/` are the entries, one file each, found by `registry.py`; `protocols/` says what an entry must offer;
`modeling/` and `architectures/` load, change and save models; `data/` goes from a file to a batch; `system/` is about
the machine. A room imports from rooms that stand below it only (`tests/architecture/layers.py` has the order).
"""
