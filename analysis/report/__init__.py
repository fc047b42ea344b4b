"""Write an analysis to disk: the HTML page, tables for programs and papers, and the figures.

Start with `write.py`, which lists everything that is written; `page.py` fills `page.html`. Computes no statistics. May
import everything in `analysis` but `analyze.py`.
"""
