"""Every sentence that a reader of an analysis sees: verdicts, warnings, the methods paragraph, references.

Start with `sentences.py` (one pair) and `headline.py` (all systems together). Turns values into words and computes no
statistics. May import `search`, `comparison` and whatever stands below them.
"""
