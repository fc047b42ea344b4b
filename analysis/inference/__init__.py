"""The building blocks of statistical inference: pairing, resampling, effect sizes, Holm's correction.

Start with `interface.py`: what every test in `statistics/` takes and returns. Pure functions on numpy arrays and
frames that know nothing of files or reports. May import `metrics` and `tables`.
"""
