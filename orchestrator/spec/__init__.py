"""From an experiment file to the runs of its grid: reading, checking, resolving, identity."""
