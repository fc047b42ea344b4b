"""What is timed: our training loop with a recipe, and the stock Trainer, each made once and measured round after round.

Both train on the same items at the same batch size, in the same process and precision. What comes before the timed
steps warms up, so that neither the first kernels nor the compiler count.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
import transformers

from benchmarks import stock_trainer
from trainables import registry
from trainables.config import Precision, RunConfig
from trainables.data.batching import Indices
from trainables.protocols.variant import resolve_variants, unsupported_on
from trainables.system.fast_dropout import quick_masks
from trainables.system.hardware import this_machine
from trainables.system.memory import GIB, StepClock, captured_bytes, peak_memory_gib, reset_peak_memory
from trainables.tools.profile import operations_per_token, speed, wait, warmup_batches
from trainables.training.distributed import ProcessGroup
from trainables.training.run import training_for
from trainables.training.setup import prepare
from trainables.training.token_cache import RunCache

Recipe = dict[str, dict[str, Any]]
PACKAGES = {"adamw_8bit": "bitsandbytes", "qlora": "bitsandbytes", "lora": "peft"}
WARMUP_STEPS = 8
COUNTED_BATCHES = 2


def cannot(recipe: Recipe) -> tuple[str, str] | None:
    """Why this machine cannot run a recipe, as the result and the reason of a row; None where it can."""
    needed = {PACKAGES[name] for name in recipe if name in PACKAGES}
    if recipe.get("attention", {}).get("implementation") == "flash_attention_2":
        needed.add("flash_attn")
    missing = sorted(package for package in needed if find_spec(package) is None)
    if missing:
        return "not installed", f"needs {missing[0]}"
    reason = unsupported_on(this_machine(), resolve_variants(recipe, lambda name: registry.load("variant", name)))
    return None if reason is None else ("unsupported", reason)


@dataclass
class Memory:
    """Peak memory of one side while others lie on the same device: what it holds, and what its steps add.

    `held` is what was allocated for it, `recorded` what its recorded steps keep for their replays, both in GiB.
    """

    device: torch.device
    held: float = 0.0
    recorded: float = 0.0

    @classmethod
    def now(cls, device: torch.device) -> Memory:
        """What lies on the device already."""
        if device.type != "cuda":
            return cls(device)
        return cls(device, torch.cuda.memory_allocated() / GIB, captured_bytes() / GIB)

    def since(self) -> Memory:
        """What came since then: it belongs to the side that was made."""
        now = Memory.now(self.device)
        return Memory(self.device, now.held - self.held, now.recorded - self.recorded)

    def peak(self, at_start: float) -> float:
        """GiB at the peak since the reset, when `at_start` were allocated; the resident memory on a processor."""
        if self.device.type != "cuda":
            return peak_memory_gib(self.device)
        added = torch.cuda.max_memory_allocated() / GIB - at_start
        return self.held + max(added, self.recorded)


class Ours:
    """Our loop with a recipe, warm after it was made. Raises what an unsuited recipe raises."""

    def __init__(self, config: RunConfig, recipe: Recipe, warm: RunCache) -> None:
        self.device = ProcessGroup.current().device
        before = Memory.now(self.device)
        train = config.train.model_copy(update={"epochs": 1000})  # the learning rate never ends
        self.config = config.model_copy(update={"variants": recipe, "train": train})
        self.prepared = prepare(self.config, self.device, warm)
        self.training = training_for(self.config, self.prepared, ProcessGroup(device=self.device))
        self.training.model.train()
        with self.prepared.around(), quick_masks(self.device):
            for batch in warmup_batches(self.training, self._epoch(), WARMUP_STEPS):
                self.training.step(batch)
        wait(self.device)
        self.memory = before.since()

    def round(self, steps: int) -> dict[str, Any]:
        """Speed, times of steps and peak memory of whole epochs with at least `steps` steps."""
        batches: list[Indices] = []
        while len(batches) < steps:
            batches += self._epoch()
        self.training.clock = StepClock(self.device)
        wait(self.device)
        reset_peak_memory(self.device)
        at_start = Memory.now(self.device).held
        with self.prepared.around(), quick_masks(self.device):
            found: dict[str, Any] = speed(self.training, batches)
        return {**found, "peak_memory_gib": self.memory.peak(at_start)}

    def operations_per_token(self) -> float:
        """What training on one real token needs; see `tools/profile.py`."""
        with self.prepared.around(), quick_masks(self.device):
            return operations_per_token(self.training, self._epoch()[:COUNTED_BATCHES])

    def _epoch(self) -> list[Indices]:
        batches = self.training.batches()
        self.training.position.epoch += 1
        return batches


class Peer:
    """Hugging Face's Trainer on the same items; every round goes on training the same model."""

    def __init__(self, config: RunConfig, precision: Precision) -> None:
        self.device = ProcessGroup.current().device
        before = Memory.now(self.device)
        self.config, self.precision = config, precision
        self.found = stock_trainer.material(config)
        self.rows = stock_trainer.rows_of(self.found.train)
        torch.manual_seed(config.seed)
        self.model = stock_trainer.model_of(config, self.found).to(self.device)
        self.memory = before.since()
        self.round(-(-len(self.rows) // config.train.batch_size))  # every width once: libraries plan for each

    def round(self, steps: int) -> dict[str, Any]:
        """As that of `Ours`. The optimizer is a new one, and its memory belongs to the peak."""
        timed = stock_trainer.Timed(self.device, WARMUP_STEPS, stock_trainer.collator(self.config))
        reset_peak_memory(self.device)
        at_start = Memory.now(self.device).held
        with tempfile.TemporaryDirectory() as folder:
            settings = stock_trainer.settings(self.config, Path(folder), self.precision)
            settings.max_steps = WARMUP_STEPS + steps
            given = {"train_dataset": self.rows, "data_collator": timed.collate, "callbacks": [timed]}
            transformers.Trainer(model=self.model, args=settings, **given).train()
            self.model.zero_grad(set_to_none=True)
        return {**timed.speed(), "peak_memory_gib": self.memory.peak(at_start)}
