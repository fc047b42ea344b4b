"""What can be done without a sweep: predict with a saved run, profile a system, probe or inspect a model.

Start with `predictor.py`. The others run in a fresh process, JSON in and JSON out (`system/fresh_process.py`). May
import `training` and whatever stands below it.
"""
