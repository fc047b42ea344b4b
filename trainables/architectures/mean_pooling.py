"""Any encoder with a classifier over the mean of its token vectors, as in Sentence-BERT (Reimers et al. 2019).

Legend: B texts, T tokens, H hidden width.
"""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import nn
from transformers import AutoConfig, AutoModel, PreTrainedConfig, PreTrainedModel
from transformers.modeling_outputs import SequenceClassifierOutput

OWN_FIELDS = (
    *("model_type", "encoder_type", "pooler_dropout"),
    *("architectures", "auto_map", "transformers_version", "dtype"),
)


class MeanPoolingConfig(PreTrainedConfig):
    """All settings of the encoder under their own names; `encoder_type` says which architecture they belong to."""

    model_type = "mean-pooling"

    encoder_type: str = "bert"
    hidden_size: int = 768
    initializer_range: float = 0.02
    pooler_dropout: float | int = 0.1

    @classmethod
    def around(cls, encoder: PreTrainedConfig) -> MeanPoolingConfig:
        """Return the configuration of a classifier over an encoder with this configuration."""
        settings = {name: value for name, value in encoder.to_dict().items() if name not in OWN_FIELDS}
        names = {"id2label": encoder.id2label, "label2id": encoder.label2id}
        dropout = getattr(encoder, "hidden_dropout_prob", getattr(encoder, "dropout", 0.0))
        own = {"encoder_type": encoder.model_type, "hidden_size": encoder.hidden_size, "pooler_dropout": dropout}
        return cls(**{**settings, **names, **own})

    def encoder(self) -> Any:
        """Return the encoder's own configuration."""
        settings = {name: value for name, value in self.to_dict().items() if name not in OWN_FIELDS}
        return AutoConfig.for_model(self.encoder_type, **settings)


class MeanPoolingForSequenceClassification(PreTrainedModel):
    """Mean over the tokens that are not padding, dropout, one linear layer."""

    config_class = MeanPoolingConfig
    base_model_prefix = "encoder"
    _supports_sdpa = True
    _supports_flash_attn = True
    _supports_flex_attn = True
    _no_split_modules: ClassVar[list[str]] = []

    def __init__(self, config: MeanPoolingConfig, encoder: PreTrainedModel | None = None) -> None:
        """Build the model around `encoder`, or around a new one with random weights; its unused pooler is dropped."""
        asked = config._attn_implementation
        super().__init__(config)
        self.encoder = encoder or AutoModel.from_config(
            config.encoder(), attn_implementation=asked, trust_remote_code=False
        )
        if getattr(self.encoder, "pooler", None) is not None:
            self.encoder.pooler = None
        config._attn_implementation = self.encoder.config._attn_implementation
        self.dropout = nn.Dropout(config.pooler_dropout)
        self.classifier = nn.Linear(config.hidden_size, config.num_labels)
        self.post_init()

    def forward(
        self, input_ids: torch.Tensor, attention_mask: torch.Tensor | None = None, **inputs: Any
    ) -> SequenceClassifierOutput:
        """Return logits, [B, labels]; `attention_mask` [B, T] is 0 where a text is padded, None means nowhere."""
        hidden_BTH = self.encoder(input_ids=input_ids, attention_mask=attention_mask, **inputs).last_hidden_state
        mask_BT = torch.ones_like(input_ids) if attention_mask is None else attention_mask
        weight_BT1 = mask_BT.to(hidden_BTH.dtype).unsqueeze(-1)
        mean_BH = (hidden_BTH * weight_BT1).sum(dim=1) / weight_BT1.sum(dim=1).clamp(min=1.0)
        return SequenceClassifierOutput(logits=self.classifier(self.dropout(mean_BH)))
