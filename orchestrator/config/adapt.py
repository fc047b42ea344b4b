"""The `adapt` part of an experiment: one masked-language-model run a model, before that model's fine-tuning runs."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer

from trainables.config import DataConfig, Positive, SplitConfig, TrainConfig

TASK = "masked_lm"


class AdaptSettings(TrainConfig):
    """How a model is adapted; what `train` says plays no role. There is one run, with one seed, for all seeds."""

    epochs: int = Field(default=5, ge=1)
    batch_size: int = Field(default=64, ge=1)
    learning_rate: Positive = 5e-5
    weight_decay: float = Field(default=0.0, ge=0)
    max_length: int = Field(default=512, ge=4, description="pieces per chunk, special tokens included")
    mask: float = Field(default=0.15, gt=0, lt=1, description="share of the pieces that are to be guessed")
    chunking: Literal["concatenate", "line"] = Field(
        default="concatenate", description="concatenate: full chunks across texts; line: a chunk a text"
    )
    split: SplitConfig = SplitConfig(validation=0.1, seed=42)
    seed: int = Field(default=42, ge=0, lt=2**32)
    keep_epochs: int = Field(
        default=0, ge=0, description="models of so many last epochs stay beside the best one; changes no result"
    )

    def train(self) -> TrainConfig:
        """The part that any run has."""
        return TrainConfig.model_validate({name: getattr(self, name) for name in TrainConfig.model_fields})

    def task_options(self) -> dict[str, Any]:
        """The part that is about text and masks."""
        return {"mask": self.mask, "chunking": self.chunking}


class Adapt(AdaptSettings):
    """The text that the models become familiar with, and how."""

    data: DataConfig


class AdaptOverride(AdaptSettings):
    """What differs for one model. Only keys that are written count."""

    @model_serializer(mode="wrap")
    def _only_what_is_written(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {key: value for key, value in handler(self).items() if key in self.model_fields_set}

    def over(self, adapt: Adapt) -> Adapt:
        """The experiment's settings with these in their place. Raises ValidationError for what does not fit."""
        changed = {name: getattr(self, name) for name in self.model_fields_set}
        return Adapt.model_validate({name: getattr(adapt, name) for name in Adapt.model_fields} | changed)
