"""Bring fields into the form that tasks take, whatever form a file gives them.

`words.py` (lists, one row per word, words in one text), `spans.py` and `span_forms.py` (labelled spans of a text),
`questions.py` and `answers.py` (questions on contexts), `labels.py` (classes and lists of labels), `cells.py` (lists in
one cell); after reading, `dropped.py` leaves out items, and `declared.py` applies what the user says about labels, with
`tags.py`. Start with `declared.py`. May import `config`, and of `data` only
`dataset.py` and `how_read.py`.
"""
