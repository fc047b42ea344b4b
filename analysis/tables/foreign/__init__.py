"""Tables of other tools: their text is read as it is written, their columns get a meaning, and nothing is guessed.

Start with `read.py`; `table.py` has the two values that all files here share. `text_file.py` and the files of
`sources/` turn bytes into cells of text; `roles.py` decides which column is what, `pooling.py` refuses settings that
differ within a system, `numbers.py` reads scores and seeds, `tools/` has one file per program whose exports are
recognised. Imports only `tables`: its `folder`, `normalize`, `results_directory` and `schema`.
"""
