"""What a search for hyper-parameters found: its trials, its budget, and what can be learned from it."""
