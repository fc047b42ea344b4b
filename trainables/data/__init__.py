"""Turn data files into batches: read rows, make items, split them, plan batches, gather tensors.

In the order of a run: `load.py` (find the data, in a file or on the Hugging Face Hub), `readers/` (rows of a file),
`items.py` (rows to items; `words.py`, `spans.py`, `questions.py` and `cells.py` know the forms that files give them),
`dataset.py` (the data set that results), `how_read.py` (how a file was read), `splits.py` (train, validation, test),
`features.py` (token rows without padding), `batching.py` (which features form a step), `batch_loader.py` (padded
tensors). Start with `load.py`. May import `system`, `config` and `registry`.
"""
