"""The sentences that a reader of an analysis sees: verdicts, warnings, the methods paragraph, references.

Start with `headline.py` (all systems together, then one pair). `warnings.py` also says which parts of their items
models never saw, which other packages use too. Turns values into words and computes no statistics. May import
`result`, `search`, `comparison` and everything below them.
"""
