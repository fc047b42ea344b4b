"""The result tables: their schemas, and reading them from results directories, CSV, TSV and Parquet files.

Start with `schema.py` for the columns and with `read.py` for how results are read. May import `formatting`,
`config` and `yaml_text` only. Other packages import its modules to write result tables, so this file itself imports
nothing.
"""
