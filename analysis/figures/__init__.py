"""One figure per file: each file exports `FIGURE` and its name is the name of the figure.

Read `plotting/figure.py` for the contract and `score_boxplot.py` for an example. `data()` computes the frame that is
saved beside the image, `draw()` only draws it. May import `plotting`, `text` and everything below them.
"""
