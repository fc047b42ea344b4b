"""What a search for hyper-parameters found: its trials in order, what they cost, and what can be learned from them.

Start with `findings.py`, which puts it all together. Computes values, and in `summary.py` what to beware of; the other
sentences are in `text/search.py`, the section of the page in `report/search_section.py`. May import `comparison` and
whatever stands below it.
"""
