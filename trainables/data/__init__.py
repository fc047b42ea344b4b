"""From files to batches: read rows, turn them into items, split them, plan batches, gather tensors.

In the order of a run: `load.py` (where the data lies, in a file or on the Hugging Face Hub), `readers.py` (rows of a
file), `items.py` (rows to items), `dataset.py` (what comes out), `splits.py` (train, validation, test), `features.py`
(token rows without padding), `batching.py` (which features form a step), `batch_loader.py` (padded tensors). Start with
`load.py`. May import `system`, `config` and `registry`.
"""
