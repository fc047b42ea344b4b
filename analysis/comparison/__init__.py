"""Compares systems: which runs count, every number about a pair, Holm's correction over all pairs, the verdict.

Start with `all_pairs.py`; `pair.py` has the numbers of one pair and `verdict.py` the rules of the five words. Returns
values: the reason of a verdict and the claim and warnings of a design stand beside the rules that give them, all other
sentences are in `text/`. May import `inference`, `statistics`, `metrics`, `tables`, `config`, `formatting` and
`registry`.
"""
