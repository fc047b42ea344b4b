"""Defines what an entry must offer: the contracts of a task, a variant and a model preset.

Start with `task.py`. The files hold the contracts and the values they exchange; `variant.py` also checks the variants
of a run and applies them in the order of their stages. May import `modeling`, `data` and everything below `data`.
"""
