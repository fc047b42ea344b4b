"""Models: load, change and save them in Hugging Face format.

Start with `pretrained.py` (load) and `save_model.py` (save); `vocabulary_trimming.py` and `unpadding.py` change a model
in between. `saved_model.py` says what a saved folder holds without importing torch; `remote_code.py` decides whose code
may run. May import `architectures`, `data` and whatever stands below it, and `analysis.tables.folder`.
"""
