"""The one training loop, its machinery and its settings; it never names a task, a model or a variant."""
