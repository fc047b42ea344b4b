"""What can be asked without a sweep: predict with a saved run, profile, probe, inspect a model.

Start with `predictor.py`. The others run in a fresh process, JSON in and JSON out (`system/fresh_process.py`). May
import `training` and whatever stands below it.
"""
