"""One statistical test per file: each exports `TEST`, found by its file name.

Read `inference/interface.py` for the contract and `paired_t.py` for an example. Pure functions on seeds x systems. May
import `inference` and `metrics`.
"""
