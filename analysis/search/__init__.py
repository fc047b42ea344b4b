"""The results of a hyper-parameter search: its trials in order, their cost, and what they show.

Start with `findings.py`, which brings everything together. Computes values, and warnings in `summary.py`; the other
sentences are in `text/search.py`, the section of the page in `report/search_section.py`. May import `comparison` and
everything in the rooms below it.
"""
