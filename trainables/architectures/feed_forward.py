"""A bag of embeddings under hidden layers: the baseline that knows words but not their order (Iyyer et al. 2015).

Legend: B texts, T tokens, E embedding width, H hidden width.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any, ClassVar

import torch
from torch import nn
from transformers import PreTrainedConfig, PreTrainedModel
from transformers.modeling_outputs import BaseModelOutput, SequenceClassifierOutput


class FeedForwardConfig(PreTrainedConfig):
    """`hidden_size` is the width of the embeddings, `hidden_sizes` are the widths of the layers above their mean."""

    model_type = "feed-forward"

    vocab_size: int = 30_000
    hidden_size: int = 128
    hidden_sizes: list[int] | tuple[int, ...] = (256, 128)
    hidden_dropout_prob: float | int = 0.2
    initializer_range: float = 0.05
    pad_token_id: int | None = 0


class FeedForwardPreTrainedModel(PreTrainedModel):
    """What both classes share: there is no attention, so every attention implementation is supported."""

    config_class = FeedForwardConfig
    base_model_prefix = "model"
    _supports_sdpa = True
    _supports_flash_attn = True
    _no_split_modules: ClassVar[list[str]] = []


class FeedForwardModel(FeedForwardPreTrainedModel):
    """Mean of the embeddings of a text's tokens, through hidden layers: [B, H]."""

    def __init__(self, config: FeedForwardConfig) -> None:
        """Build the layers; the last one gives the output width."""
        super().__init__(config)
        self.embeddings = nn.Embedding(config.vocab_size, config.hidden_size, padding_idx=config.pad_token_id)
        widths = [config.hidden_size, *config.hidden_sizes]
        self.layers = nn.ModuleList(nn.Linear(wide, narrow) for wide, narrow in pairwise(widths))
        self.dropout = nn.Dropout(config.hidden_dropout_prob)
        self.width = widths[-1]
        self.post_init()

    def get_input_embeddings(self) -> nn.Module:
        """Return the table of token embeddings."""
        return self.embeddings

    def set_input_embeddings(self, value: nn.Module) -> None:
        """Replace the table."""
        self.embeddings = value

    def forward(
        self, input_ids: torch.Tensor, attention_mask: torch.Tensor | None = None, **ignored: Any
    ) -> BaseModelOutput:
        """`input_ids` and `attention_mask` (1: a token, 0: padding; None: no padding) are [B, T]."""
        embedded_BTE = self.embeddings(input_ids)
        mask_BT = torch.ones_like(input_ids) if attention_mask is None else attention_mask
        weight_BT1 = mask_BT.to(embedded_BTE.dtype).unsqueeze(-1)
        hidden = (embedded_BTE * weight_BT1).sum(dim=1) / weight_BT1.sum(dim=1).clamp(min=1.0)
        for layer in self.layers:
            hidden = self.dropout(torch.relu(layer(hidden)))
        return BaseModelOutput(last_hidden_state=hidden)


class FeedForwardForSequenceClassification(FeedForwardPreTrainedModel):
    """One score per label over the last hidden layer."""

    def __init__(self, config: FeedForwardConfig) -> None:
        """Build body and classifier."""
        super().__init__(config)
        self.model = FeedForwardModel(config)
        self.classifier = nn.Linear(self.model.width, config.num_labels)
        self.post_init()

    def forward(
        self, input_ids: torch.Tensor, attention_mask: torch.Tensor | None = None, **ignored: Any
    ) -> SequenceClassifierOutput:
        """Return logits, [B, labels]."""
        hidden_BH = self.model(input_ids, attention_mask).last_hidden_state
        return SequenceClassifierOutput(logits=self.classifier(hidden_BH))
