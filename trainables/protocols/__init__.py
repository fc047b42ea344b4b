"""What an entry must offer: the contracts of a task, a variant and a model preset.

Start with `task.py`. Contracts and the values they exchange, no algorithm. May import `modeling`, `data` and `system`.
"""
