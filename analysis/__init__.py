"""Statistics, figures and report over result tables; imports neither torch nor Ray."""
