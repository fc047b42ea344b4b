"""Statistics, figures and the report over result tables. Imports neither torch nor Ray.

Start with `analyze.py`: it turns result tables into one `Analysis` (`result.py`). From there, top to bottom:

`report/` and `figures/` show an analysis, `text/` puts it into sentences, `plotting/` draws; `search/` says what the
trials of a search show; `comparison/` compares systems; `inference/` and `statistics/` hold the methods; `metrics/`
scores predictions; `tables/` reads and checks the result tables. A room imports only from rooms below it
(`tests/architecture/layers.py` has the order).
"""
