"""LoRA fine-tuning of several seeds over one shared frozen encoder: the body is computed once for all of their items.

Axes as in `stacked_encoder`. Only the low-rank factors and the head have a K axis: A_KRI [K, rank, inputs],
B_KOR [K, outputs, rank]; the answer of a layer is W x + scale * B (A x) (Hu et al. 2021, arXiv:2106.09685).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.seed_trainers import Alone, Fused, Size, batches, model, orders, sentences
from benchmarks.stacked_encoder import Stacked
from trainables.system.attention_kernels import chosen_kernels

RANK, ALPHA, TARGETS = 16, 32.0, ("query", "key", "value")
_HEAD = "classifier"


def adapted(size: Size, seed: int, dropout: float = 0.1) -> nn.Module:
    """The encoder of seed 0 with adapters and a head of `seed`, as the library makes them (none of them drops out)."""
    from peft import LoraConfig, get_peft_model

    body = model(size, 0, dropout)
    torch.manual_seed(seed)
    with torch.no_grad():
        body.classifier.weight.normal_(0.0, 0.02)  # type: ignore[operator,union-attr]
    settings = {"r": RANK, "lora_alpha": ALPHA, "lora_dropout": 0.0, "target_modules": list(TARGETS)}
    found: nn.Module = get_peft_model(body, LoraConfig(**settings, modules_to_save=[_HEAD])).train()
    with torch.no_grad():
        for name, parameter in found.named_parameters():
            if "lora_B" in name:  # zero at first, so that differences would not show
                parameter.normal_(0.0, 0.02)
    return found


@dataclass
class StackedLora(Stacked):
    """K adapted copies of one encoder. `weights` is the shared body and the stacked heads, `factors` A and B."""

    factors: dict[str, tuple[Tensor, Tensor]] = field(default_factory=dict)

    @classmethod
    def of(cls, models: Sequence[nn.Module], seeds: Sequence[int]) -> StackedLora:
        """The models' adapters and heads in stacks, over the body of the first."""
        states = [_plain(module) for module in models]
        body = {name: tensor for name, tensor in states[0].items() if "lora_" not in name and _HEAD not in name}
        heads = {
            name: nn.Parameter(torch.stack([state[name] for state in states])) for name in states[0] if _HEAD in name
        }
        factors = {}
        for name in states[0]:
            if name.endswith(".lora_A"):
                layer = name.removesuffix(".lora_A")
                first, second = (torch.stack([state[f"{layer}.lora_{part}"] for state in states]) for part in "AB")
                factors[layer] = (nn.Parameter(first), nn.Parameter(second))
        config: Any = models[0].config
        return cls(config, {**body, **heads}, [torch.Generator().manual_seed(seed) for seed in seeds], factors=factors)

    def trained(self) -> list[Tensor]:
        """The factors and the heads."""
        heads = [weight for name, weight in self.weights.items() if _HEAD in name]
        return [*(part for pair in self.factors.values() for part in pair), *heads]

    def _embedded(self, ids_KBT: Tensor) -> Tensor:
        width = ids_KBT.shape[-1]
        words = functional.embedding(ids_KBT, self.weights["bert.embeddings.word_embeddings.weight"])
        places = self.weights["bert.embeddings.position_embeddings.weight"][:width]
        kinds = self.weights["bert.embeddings.token_type_embeddings.weight"][0]
        return self._normed("bert.embeddings.LayerNorm", words + kinds + places)

    def _linear(self, name: str, inputs_KNH: Tensor) -> Tensor:
        if _HEAD in name:
            return super()._linear(name, inputs_KNH)
        answer = functional.linear(inputs_KNH, self.weights[f"{name}.weight"], self.weights[f"{name}.bias"])
        if name not in self.factors:
            return answer
        first_KRI, second_KOR = self.factors[name]
        low_KNR = inputs_KNH @ first_KRI.transpose(1, 2)
        return answer + (low_KNR @ second_KOR.transpose(1, 2)) * (ALPHA / RANK)

    def _normed(self, name: str, hidden: Tensor) -> Tensor:
        gain, shift = self.weights[f"{name}.weight"], self.weights[f"{name}.bias"]
        return functional.layer_norm(hidden, hidden.shape[-1:], gain, shift, self.config.layer_norm_eps)  # type: ignore[attr-defined]


def _plain(module: nn.Module) -> dict[str, Tensor]:
    """Parameters under the names of the encoder that was adapted, detached; adapters as `....lora_A`, `....lora_B`."""
    found = {}
    for name, parameter in module.named_parameters():
        if ".original_module." in name:
            continue  # the head that the adapted one stands for
        plain = name.removeprefix("base_model.model.").replace(".base_layer.", ".").replace(".modules_to_save.", ".")
        found[plain.replace(".default.weight", "").replace(".default.", ".")] = parameter.detach()
    return {_with_weight(name): tensor for name, tensor in found.items()}


def _with_weight(name: str) -> str:
    return name if "lora_" in name or name.endswith((".weight", ".bias")) else f"{name}.weight"


def largest_difference(size: Size, device: torch.device, steps: int = 4) -> float:
    """Of the losses of two adapted copies in their first steps, fp32, no dropout: fused, and each trained alone."""
    items, seeds = sentences(size.vocabulary), (1, 2)
    found = orders(np.array([len(item) for item in items]), seeds, "own order", steps)
    with chosen_kernels(device):
        fused = Fused([adapted(size, seed, 0.0) for seed in seeds], seeds, "fp32", device, StackedLora)
        together = torch.stack([fused.step(batch) for batch in batches(items, found, device)], dim=1)
        alone = []
        for number, seed in enumerate(seeds):
            one = Alone(adapted(size, seed, 0.0), "fp32", device)
            own = batches(items, [[step[number]] for step in found], device)
            alone.append(torch.cat([one.step(batch) for batch in own]))
    return float((together - torch.stack(alone)).abs().max())
