"""What `fused_seeds` compares: a model as it trains today and several models in one, on the same made-up sentences."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from benchmarks.stacked_encoder import Batch, Stacked, clip
from trainables.config import Precision, TrainConfig
from trainables.data.batching import POOL_BATCHES, Indices, bucketed_batches
from trainables.system.attention_kernels import chosen_kernels
from trainables.system.fast_dropout import quick_masks
from trainables.system.precision import autocast
from trainables.training.optimizer import decay_groups, fused_adamw

BATCH_SIZE, CLASSES, COMPARED_STEPS, ITEMS = 8, 5, 6, 1024
TRAIN = TrainConfig(batch_size=BATCH_SIZE, learning_rate=3e-5)
ORDERS = ("own order", "same widths")
Orders = list[list[Indices]]  # by step, then by seed


@dataclass(frozen=True)
class Size:
    """An encoder's sizes; 4,000 pieces are what pruning leaves of a small data set's vocabulary."""

    hidden: int
    layers: int
    heads: int
    vocabulary: int = 4000


SIZES = {"minilm-l6": Size(384, 6, 12), "roberta-base": Size(768, 12, 12, 50265), "tiny": Size(32, 2, 2, 100)}


def model(size: Size, seed: int, dropout: float = 0.1) -> nn.Module:
    """A random encoder with a head that labels pieces."""
    from transformers import BertConfig, BertForTokenClassification

    settings = {"vocab_size": size.vocabulary, "hidden_size": size.hidden, "num_hidden_layers": size.layers}
    settings |= {"num_attention_heads": size.heads, "intermediate_size": 4 * size.hidden, "num_labels": CLASSES}
    settings |= {"hidden_dropout_prob": dropout, "attention_probs_dropout_prob": dropout}
    attention = "sdpa" if torch.cuda.is_available() else "eager"
    torch.manual_seed(seed)
    with torch.device("cuda" if torch.cuda.is_available() else "cpu"):  # a processor draws such weights slowly
        return BertForTokenClassification(BertConfig(**settings, attn_implementation=attention)).train()


def sentences(vocabulary: int) -> list[Tensor]:
    """Ids of sentences as long as those of CR_ECSS: log-normal, 37 pieces in the mean, at most 128."""
    generator = np.random.default_rng(0)
    lengths = np.clip(generator.lognormal(3.45, 0.55, ITEMS), 4, 128).astype(int)
    return [torch.from_numpy(generator.integers(1, vocabulary, length)) for length in lengths]


def orders(lengths: NDArray[np.int64], seeds: Sequence[int], order: str, steps: int) -> Orders:
    """The batches of every step, one a seed. With `same widths` only the items of a batch depend on the seed."""
    found = []
    for seed in seeds:
        own: list[Indices] = []
        epoch = 0
        while len(own) < steps:
            own += _epoch(lengths, seed, order, epoch)
            epoch += 1
        found.append(own[:steps])
    return [list(step) for step in zip(*found, strict=True)]


def _epoch(lengths: NDArray[np.int64], seed: int, order: str, epoch: int) -> list[Indices]:
    generator = np.random.default_rng([seed, epoch])
    if order == "own order":
        return bucketed_batches(lengths, BATCH_SIZE, generator)
    permutation, pool = generator.permutation(len(lengths)), BATCH_SIZE * POOL_BATCHES
    pools = (permutation[start : start + pool] for start in range(0, len(permutation), pool))
    by_length = np.concatenate([part[np.argsort(lengths[part], kind="stable")] for part in pools])
    batches = np.array_split(by_length, len(by_length) // BATCH_SIZE)
    return [batches[place] for place in np.random.default_rng(epoch).permutation(len(batches))]


def batches(items: Sequence[Tensor], found: Orders, device: torch.device) -> Iterator[Batch]:
    """The steps' items, padded to the longest of any seed; a piece's class is its id modulo the classes."""
    for step in found:
        widths = tuple(max(len(items[index]) for index in own) for own in step)
        ids = torch.zeros(len(step), BATCH_SIZE, max(widths), dtype=torch.int64)
        for number, own in enumerate(step):
            for row, index in enumerate(own):
                ids[number, row, : len(items[index])] = items[index]
        labels = torch.where(ids > 0, ids % CLASSES, -100)
        yield Batch(ids.to(device), labels.to(device), widths)


class Alone:
    """One model of today: the library's encoder, clipping and fused AdamW."""

    def __init__(self, module: nn.Module, precision: Precision, device: torch.device) -> None:
        self.module, self.precision, self.device = module.to(device), precision, device
        self.optimizer = fused_adamw(decay_groups(module, TRAIN.weight_decay), TRAIN)

    def step(self, batch: Batch) -> Tensor:
        """losses_K of a batch with K = 1."""
        ids, labels = batch.ids[0], batch.labels[0]
        with autocast(self.precision, self.device):
            logits = self.module(input_ids=ids, attention_mask=(ids != 0).long()).logits
        loss = nn.functional.cross_entropy(logits.float().flatten(0, 1), labels.flatten())
        loss.backward()
        nn.utils.clip_grad_norm_(self.module.parameters(), 1.0)
        self.optimizer.step()
        self.optimizer.zero_grad()
        return loss.detach()[None]


class Fused:
    """All models in one: one backward pass and one optimizer step for all of them."""

    def __init__(
        self,
        models: Sequence[nn.Module],
        seeds: Sequence[int],
        precision: Precision,
        device: torch.device,
        stack: type[Stacked] = Stacked,
    ) -> None:
        self.precision, self.device = precision, device
        self.stacked = stack.of([module.to(device) for module in models], seeds)
        self.weights = self.stacked.trained()
        groups = [[weight for weight in self.weights if (weight.ndim > 2) == decays] for decays in (True, False)]
        rates = (TRAIN.weight_decay, 0.0)
        self.optimizer = fused_adamw(
            [{"params": own, "weight_decay": rate} for own, rate in zip(groups, rates, strict=True)], TRAIN
        )

    def step(self, batch: Batch) -> Tensor:
        """losses_K of a batch."""
        with autocast(self.precision, self.device):
            losses = self.stacked.losses(batch)
        losses.sum().backward()
        clip(self.weights, 1.0)
        self.optimizer.step()
        self.optimizer.zero_grad()
        return losses.detach()


def differences_of_losses(size: Size, device: torch.device) -> dict[str, float]:
    """The largest difference in the first steps, fp32: without dropout, and with it where masks are the same."""
    rates = (0.0, 0.1) if device.type == "cpu" else (0.0,)
    return {f"dropout {rate}": largest_difference(size, device, rate) for rate in rates}


def largest_difference(size: Size, device: torch.device, dropout: float) -> float:
    """Of the losses of two models in their first steps: fused in one batch, and each trained alone."""
    items, seeds = sentences(size.vocabulary), (1, 2)
    found = orders(np.array([len(item) for item in items]), seeds, "own order", COMPARED_STEPS)
    with chosen_kernels(device), quick_masks(device):
        fused = Fused([model(size, seed, dropout) for seed in seeds], seeds, "fp32", device)
        together = torch.stack([fused.step(batch) for batch in batches(items, found, device)], dim=1)
        alone = []
        for number, seed in enumerate(seeds):
            one = Alone(model(size, seed, dropout), "fp32", device)
            torch.manual_seed(seed)
            own = batches(items, [[step[number]] for step in found], device)
            alone.append(torch.cat([one.step(batch) for batch in own]))
    return float((together - torch.stack(alone)).abs().max())
