"""One file per kind of file or folder that holds scores without being a table: each returns tables of text.

Start with `trainer.py`, the shortest. Imports `foreign.table`, `foreign.vocabulary` and
`foreign.text_file`.
"""
