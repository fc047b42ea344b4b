"""Compares systems: which runs count, every number about a pair, Holm's correction over all pairs, the verdict.

Start with `all_pairs.py`; `pair.py` has the numbers of one pair and `verdict.py` the rules of the five words. Returns
values. The reason for a verdict and the claim and warnings of a design are next to the rules they come from; all other
sentences are in `text/`. May import `inference`, `statistics`, `metrics`, `tables`, `config`, `formatting` and
`registry`.
"""
