"""Several encoders of one architecture as one model: parameters are stacked [K, ...], and every product is batched.

Axes: K models, B items, T pieces (of the longest item of any model), N = B * T, H hidden. Each model has its own items,
weights and dropout masks; only the calls are shared. On the CPU a model's masks are those that it would draw alone
(own generator, own width), on a device they come from one stream of random numbers.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.func import stack_module_state
from torch.nn import functional


@dataclass(frozen=True)
class Batch:
    """One step's items of K models: ids_KBT, labels_KBT (-100 where nothing is scored), each model's own width."""

    ids: Tensor
    labels: Tensor
    widths: tuple[int, ...]


@dataclass
class Stacked:
    """K copies of `transformers.BertForTokenClassification`, trained side by side."""

    config: object
    weights: dict[str, Tensor]
    generators: Sequence[torch.Generator] = field(default_factory=list)
    training: bool = True

    @classmethod
    def of(cls, models: Sequence[nn.Module], seeds: Sequence[int]) -> Stacked:
        """The models' weights, copied into stacks; `seeds` begin the dropout masks of each."""
        weights, _ = stack_module_state(list(models))  # type: ignore[arg-type]
        generators = [torch.Generator().manual_seed(seed) for seed in seeds]
        return cls(models[0].config, dict(weights), generators)

    def trained(self) -> list[Tensor]:
        """What an optimizer changes."""
        return list(self.weights.values())

    def losses(self, batch: Batch) -> Tensor:
        """losses_K: the mean cross-entropy of each model's own scored pieces."""
        logits = self._logits(batch).float()
        per_piece = functional.cross_entropy(logits.flatten(0, 2), batch.labels.flatten(), reduction="none")
        scored = (batch.labels >= 0).flatten(1).sum(1)
        return per_piece.view(len(batch.labels), -1).sum(1) / scored

    def _logits(self, batch: Batch) -> Tensor:
        num_models, num_items, width = batch.ids.shape
        real = batch.ids != 0
        bias_KBAQT = torch.zeros_like(real, dtype=torch.float32).masked_fill(~real, -1e30)[:, :, None, None, :]
        hidden = self._dropped(self._embedded(batch.ids), batch.widths, 2)
        for number in range(self.config.num_hidden_layers):  # type: ignore[attr-defined]
            hidden = self._layer(f"bert.encoder.layer.{number}", hidden, bias_KBAQT, batch.widths)
        logits = self._linear("classifier", self._dropped(hidden, batch.widths, 2).flatten(1, 2))
        return logits.view(num_models, num_items, width, -1)

    def _embedded(self, ids_KBT: Tensor) -> Tensor:
        num_models, _, width = ids_KBT.shape
        pieces = self.weights["bert.embeddings.word_embeddings.weight"]
        first = torch.arange(num_models, device=ids_KBT.device)[:, None, None] * pieces.shape[1]
        hidden = functional.embedding(ids_KBT + first, pieces.flatten(0, 1))
        places = self.weights["bert.embeddings.position_embeddings.weight"][:, None, :width]
        kinds = self.weights["bert.embeddings.token_type_embeddings.weight"][:, None, :1]
        return self._normed("bert.embeddings.LayerNorm", hidden + kinds + places)

    def _layer(self, name: str, hidden: Tensor, bias: Tensor, widths: Sequence[int]) -> Tensor:
        attended = self._linear(f"{name}.attention.output.dense", self._attention(name, hidden, bias, widths))
        attended = self._dropped(attended.view_as(hidden), widths, 2)
        hidden = self._normed(f"{name}.attention.output.LayerNorm", attended + hidden)
        wide = functional.gelu(self._linear(f"{name}.intermediate.dense", hidden.flatten(1, 2)))
        narrow = self._linear(f"{name}.output.dense", wide).view_as(hidden)
        return self._normed(f"{name}.output.LayerNorm", self._dropped(narrow, widths, 2) + hidden)

    def _attention(self, name: str, hidden: Tensor, bias: Tensor, widths: Sequence[int]) -> Tensor:
        """The heads' answers, KNH: written out on the CPU (as training does there), one kernel on a device."""
        num_models, num_items, width, size = hidden.shape
        heads = self.config.num_attention_heads  # type: ignore[attr-defined]
        flat = hidden.flatten(1, 2)
        query, key, value = (
            self._linear(f"{name}.attention.self.{part}", flat)
            .view(num_models, num_items, width, heads, size // heads)
            .transpose(2, 3)
            for part in ("query", "key", "value")
        )
        if hidden.device.type == "cpu":
            scores = query @ key.transpose(3, 4) / math.sqrt(size // heads) + bias
            answer = self._dropped(scores.softmax(-1), widths, 3, 4).to(value.dtype) @ value
        else:
            parts = (part.flatten(0, 1) for part in (query, key, value))
            mask = bias.flatten(0, 1).to(query.dtype)
            answer = functional.scaled_dot_product_attention(*parts, attn_mask=mask, dropout_p=self._rate())
            answer = answer.view(num_models, num_items, heads, width, size // heads)
        return answer.transpose(2, 3).reshape(num_models, num_items * width, size)

    def _linear(self, name: str, inputs_KNH: Tensor) -> Tensor:
        weight, bias = self.weights[f"{name}.weight"], self.weights[f"{name}.bias"]
        return torch.baddbmm(bias[:, None], inputs_KNH, weight.transpose(1, 2))

    def _normed(self, name: str, hidden: Tensor) -> Tensor:
        """Layer normalisation with one gain and one shift a model, which no fused kernel takes."""
        normed = functional.layer_norm(hidden, hidden.shape[-1:], eps=self.config.layer_norm_eps)  # type: ignore[attr-defined]
        return normed * self.weights[f"{name}.weight"][:, None, None] + self.weights[f"{name}.bias"][:, None, None]

    def _rate(self) -> float:
        return self.config.hidden_dropout_prob if self.training else 0.0  # type: ignore[attr-defined]

    def _dropped(self, values: Tensor, widths: Sequence[int], *axes: int) -> Tensor:
        """`values` [K, ...] after dropout; `axes` are those with T pieces, of which model i has widths[i]."""
        rate = self._rate()
        if rate == 0.0:
            return values
        if values.device.type != "cpu":
            return functional.dropout(values, rate)
        keep = torch.zeros_like(values)
        for own, width, generator in zip(keep, widths, self.generators, strict=True):
            for axis in axes:
                own = own.narrow(axis - 1, 0, width)
            own.bernoulli_(1 - rate, generator=generator)
        return values * keep.div_(1 - rate)


def clip(weights: Sequence[nn.Parameter | Tensor], limit: float) -> None:
    """Scale each model's gradients to a norm of at most `limit`, as `clip_grad_norm_` does for one model."""
    gradients = [weight.grad for weight in weights if weight.grad is not None]
    squares = torch.stack([gradient.flatten(1).square().sum(1) for gradient in gradients])
    factors = (limit / (squares.sum(0).sqrt() + 1e-6)).clamp(max=1.0)
    for gradient in gradients:
        gradient.mul_(factors.view(-1, *[1] * (gradient.ndim - 1)))
