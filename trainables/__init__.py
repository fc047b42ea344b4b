"""Tasks, data sets, models, variants and the one training loop. Imports neither Ray nor the orchestrator.

Start with `training/run.py`: one run from its configuration to its outcome. The folders, from top to bottom:

`tools/` answers questions about a model or a saved run; `training/` is the loop; `tasks/`, `variants/`, `models/` and
`datasets/` hold the entries, one file each, found by `registry.py`; `protocols/` defines what an entry must offer;
`modeling/` and `architectures/` load, change and save models; `data/` turns files into batches; `system/` deals with
the machine. A folder imports only from folders below it (`tests/architecture/layers.py` has the order).
"""
