"""The sentences that a reader of an analysis sees: verdicts, warnings, the methods paragraph, references.

Start with `headline.py` (all systems together, then one pair). `warnings.py` also says what models were not given of
their items, which other packages ask it for too. Turns values into words and computes no statistics. May import
`result`, `search`, `comparison` and whatever stands below them.
"""
