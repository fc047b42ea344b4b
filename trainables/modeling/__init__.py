"""Models: load, change and save them in Hugging Face format.

Start with `pretrained.py` (load) and `save_model.py` (save). `saved_model.py` says what a saved folder holds without
importing torch; `remote_code.py` decides whose code may run. May import `architectures`, `data` and `system`.
"""
