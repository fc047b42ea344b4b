"""Experiments, storage, executors and the command line."""
