"""Load, change and save models in Hugging Face format.

Start with `pretrained.py` (load) and `save_model.py` (save); `vocabulary_trimming.py` and `unpadding.py` change a model
in between. `saved_model.py` reads and verifies a saved folder without importing torch; `remote_code.py` decides whose
code may run. May import `architectures`, `data`, everything below `data`, and `analysis.tables.folder`.
"""
