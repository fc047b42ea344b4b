"""Tasks, data sets, models, variants and the one training loop; imports neither Ray nor the orchestrator."""
