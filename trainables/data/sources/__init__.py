"""Find the files of a data set, and join their items.

`files.py` finds them (paths, lists, patterns, folders), `remote.py` fetches those at addresses, `part_names.py` knows
which part a name means, `parts.py` reads them and joins their items, `own_reader.py` runs the reader of a user's Python
file and checks what it returns. Start with `files.py`. May import `data/items.py` and everything below it.
"""
