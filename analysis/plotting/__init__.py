"""What all figures share: the contract of a figure, the style, and drawing to SVG, PDF and PNG.

Start with `figure.py`: a figure is data, then drawing, and many begin with the same frames. `draw_all.py` draws every
figure that the results allow. The figures themselves are files in `figures/`. May import `text` and everything below
it.
"""
