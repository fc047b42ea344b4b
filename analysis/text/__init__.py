"""The sentences that a reader of an analysis sees: verdicts, warnings, the methods paragraph, references.

Start with `sentences.py` (one pair) and `headline.py` (all systems together); `cut_off.py` says what models were not
given of their items, which other packages ask it for too. Turns values into words and computes no statistics. May
import `result`, `search`, `comparison` and whatever stands below them.
"""
