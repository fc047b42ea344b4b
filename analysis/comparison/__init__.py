"""Compares systems: which runs count, every number about a pair, Holm's correction over all pairs, the verdict.

Start with `all_pairs.py`; `pair.py` has the numbers of one pair and `verdict.py` the rules of the five words. Computes
values and writes no sentences (`text/` does). May import `inference`, `statistics`, `metrics`, `tables` and
`formatting`.
"""
