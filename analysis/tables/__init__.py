"""The result tables: their schemas, and how they are read from results directories and other tools.

Start with `schema.py` for the columns and with `read.py` for how results are read; `folder.py` has the one class for
files, local or behind a URI; `foreign/` reads the tables of other tools. May import only `formatting`, `config` and
`yaml_text`. Other packages import its modules to write result tables and models, so this file itself imports nothing.
"""
