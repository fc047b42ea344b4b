"""Turn data files into batches: read rows, make items, split them, plan batches, gather tensors.

In the order of a run: `load.py` (find the data), `hub.py` (on the Hugging Face Hub), `sources/` (files, folders,
addresses), `readers/` (rows of a file), `items.py` (rows to items, with `forms/`), `dataset.py` (the data set that
results), `how_read.py` (how a file was read), `splits.py` (train, validation, test; `stratification.py`, `clusters.py`,
and `leakage.py`, which compares the parts), `features.py` (token rows without padding), `batching.py` (which features
form a step), `batch_loader.py` (padded tensors). `unlabelled.py` reads files to predict, `guess.py` finds the task that
a file fits. Start with `load.py`. May import `system`, `config` and `registry`.
"""
