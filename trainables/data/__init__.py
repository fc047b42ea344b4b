"""From files to batches: read rows, turn them into items, split them, plan batches, gather tensors.

In the order of a run: `load.py` (where the data lies), `readers.py` (rows of a file) and `items.py` (rows to items) or
`hub.py` (items from the Hugging Face Hub), `dataset.py` (what comes out), `splits.py` and `stratification.py` (train,
validation, test), `features.py` (token rows without padding), `batching.py` (which features form a step),
`batch_loader.py` (padded tensors). Start with `load.py`. May import `system`, `config` and `registry`.
"""
