"""Hyper-parameter search: what is tried next and what is ended early, as decisions over what is known of the trials."""
