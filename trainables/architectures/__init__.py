"""Architectures that transformers lacks, as ordinary Hugging Face classes; saved folders carry their own code.

Each module holds one architecture and imports only torch and transformers. So `save_pretrained` can put a copy of it
beside the weights, and `Auto*.from_pretrained(folder, trust_remote_code=True)` works without this package.

Start with `feed_forward.py`. May import nothing of this package, as a copy of each module travels with the weights.
"""

from __future__ import annotations

from typing import Any


def patch_library(configuration: Any) -> None:
    """Replace code that makes the library's models of this configuration slow; the results stay the same."""
    if "deberta-v2" in (configuration.model_type, getattr(configuration, "encoder_type", None)):
        from trainables.architectures.deberta_positions import use_in_library

        use_in_library()


def register() -> None:
    """Register them with the Auto classes of this process; calling it again changes nothing."""
    from transformers import AutoConfig, AutoModel, AutoModelForSequenceClassification

    from trainables.architectures.feed_forward import (
        FeedForwardConfig,
        FeedForwardForSequenceClassification,
        FeedForwardModel,
    )
    from trainables.architectures.mean_pooling import MeanPoolingConfig, MeanPoolingForSequenceClassification

    for config in (FeedForwardConfig, MeanPoolingConfig):
        AutoConfig.register(config.model_type, config, exist_ok=True)
        config.register_for_auto_class()
    AutoModel.register(FeedForwardConfig, FeedForwardModel, exist_ok=True)
    for model in (FeedForwardForSequenceClassification, MeanPoolingForSequenceClassification):
        AutoModelForSequenceClassification.register(model.config_class, model, exist_ok=True)
        model.register_for_auto_class("AutoModelForSequenceClassification")
