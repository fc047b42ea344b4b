"""Turn data files into batches: read rows, make items, split them, plan batches, gather tensors.

In the order of a run: `load.py` (find the data, in files or on the Hugging Face Hub), `sources.py` (several files,
folders and patterns; `remote.py` fetches addresses, `part_names.py` says which part a name means), `readers/` (rows of
a file), `items.py` (rows to items; `words.py`, `spans.py`, `questions.py` and `cells.py` know the forms that files give
them), `parts.py` (the items of several files, or of rows that name their part), `own_reader.py` (data sets that a
user's Python file defines), `dataset.py` (the data set that results), `how_read.py` (how a file was read), `splits.py`
(train, validation, test), `features.py` (token rows without padding), `batching.py` (which features form a step),
`batch_loader.py` (padded tensors). `unlabelled.py` reads files to predict; `guess.py` says what a file can be read as.
Start with `load.py`. May import `system`, `config` and `registry`.
"""
