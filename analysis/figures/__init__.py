"""One figure a file: each exports `FIGURE`, found by its file name.

Read `plotting/figure.py` for the contract and `score_boxplot.py` for an example. `data()` computes the frame that is
saved beside the picture, `draw()` only draws it. May import `plotting`, `text` and whatever stands below them.
"""
