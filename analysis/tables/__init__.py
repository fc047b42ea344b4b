"""The result tables: their schemas, and reading them from results directories, CSV, TSV and Parquet files.

Start with `schema.py` for the columns and with `read.py` for how results are read; `folder.py` is the one class for
files, local or behind a URI. May import `formatting`, `config` and `yaml_text` only. Other packages import its modules
to write result tables and models, so this file itself imports nothing.
"""
