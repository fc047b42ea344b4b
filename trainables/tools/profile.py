"""Measures how fast a system trains, how much memory it takes and where its time goes.

`run_profile` takes `{"config": RunConfig, "steps": n, "warmup": n}` and is called in a fresh process
(`system/fresh_process.py`). It times the loop's own step, on batches that the loop draws.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from trainables.config import Precision, RunConfig
from trainables.data.batch_loader import BatchLoader
from trainables.data.batching import Indices
from trainables.modeling.hf_errors import first_line
from trainables.system import private_parts
from trainables.system.fast_dropout import quick_masks
from trainables.system.memory import GIB, keep_freed_memory, peak_memory_gib, reset_peak_memory
from trainables.system.precision import DTYPES, autocast
from trainables.training.distributed import ProcessGroup
from trainables.training.evaluation import forward_inputs
from trainables.training.run import training_for
from trainables.training.run_columns import fixed_columns
from trainables.training.setup import prepare
from trainables.training.token_cache import RunCache
from trainables.training.trainer import Training

SIZES = {"cpu": 2048, "cuda": 8192}  # edge of the square matrices: large enough for the device's best rate
REPETITIONS = 5


@dataclass(frozen=True)
class Positions:
    """Positions that the model computes, and how many of them hold a token of an item."""

    computed: int
    real: int

    @property
    def waste(self) -> float:
        """Return the share of computed positions that are padding, in [0, 1)."""
        return 1.0 - self.real / max(1, self.computed)


def positions(loader: BatchLoader, batches: Sequence[Indices], unpadded: bool = False) -> Positions:
    """Count the positions of these batches as the loader pads them; `unpadded`: padding is not computed."""
    computed = real = 0
    for rows in batches:
        batch = loader.batch(rows)
        size = batch["input_ids"].numel()
        tokens = int(batch["attention_mask"].sum()) if "attention_mask" in batch else size
        computed += tokens if unpadded else size
        real += tokens
    return Positions(computed, real)


def operations_per_token(training: Training, batches: Sequence[Indices]) -> float:
    """Return the floating-point operations in matrix products that training on one real token needs, both passes.

    Counted on these batches without compilation. A backward pass needs at most twice as many as its forward pass
    (Kaplan et al. 2020, arXiv:2001.08361); operations beyond that are recomputation and are not counted. Padding is
    discounted by its share. Four-bit weights and attention kernels that torch does not know count as zero.
    """
    forward = backward = 0
    with _as_written(training.group.device):
        for rows in batches:
            first, second = _counted(training, rows)
            forward, backward = forward + first, backward + min(second, 2 * first)
    computed = positions(training.train, batches, training.plan.unpadded).computed
    return (forward + backward) / max(1, computed)


def _counted(training: Training, rows: Indices) -> tuple[int, int]:
    """Count the operations of one forward pass and of its backward pass."""
    inputs = training.task.augment(training.train.batch(rows), rows, 0)
    counter: Any = FlopCounterMode(display=False)
    with counter:
        with autocast(training.config.model.precision, training.group.device):
            outputs = training.parallel(**forward_inputs(training.task, inputs))
        loss = training.task.loss(outputs, inputs)
        forward = int(counter.get_total_flops())
        loss.backward()
    training.optimizer_step.optimizer.zero_grad(set_to_none=True)
    return forward, int(counter.get_total_flops()) - forward


@contextmanager
def _as_written(device: torch.device) -> Iterator[None]:
    """Run compiled parts uncompiled, and on the CPU also attention unfused: its fused kernel is not counted."""
    with ExitStack() as stack:
        if private_parts.may_have_compiled():
            stack.enter_context(torch.compiler.set_stance("force_eager"))
        if device.type == "cpu":
            stack.enter_context(sdpa_kernel(SDPBackend.MATH))
        yield


def matrix_product_rate(device: torch.device, precision: Precision, size: int | None = None) -> float:
    """Return the floating-point operations per second of the fastest of five products of two square matrices."""
    edge = size or SIZES[device.type]
    dtype = DTYPES.get(precision, torch.float32)
    left, right = (torch.randn(edge, edge, device=device).to(dtype) for _ in range(2))
    out = left @ right
    seconds = []
    for _ in range(REPETITIONS):
        wait(device)
        started = time.perf_counter()
        torch.mm(left, right, out=out)
        wait(device)
        seconds.append(time.perf_counter() - started)
    return 2.0 * edge**3 / min(seconds)


def wait(device: torch.device) -> None:
    """Wait until the device has finished all its work."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


PHASES = ("forward", "backward", "optimizer", "host")
SHARE_OF_STEPS = 1 / 3  # this share of the measured steps is repeated to see where their time goes
COUNTED_BATCHES = 2
FACTS = ("precision", "attention", "parameters", "trainable_parameters", "device", "hardware", "cpu_threads")
Result = Literal["measured", "out of memory", "failed"]


@dataclass(frozen=True)
class Profile:
    """One system, measured once. Step seconds are medians and 95th percentiles; phases are shares of a step.

    Tokens never include padding. `peak_reserved_gib` is the GPU memory that torch reserves, None on the CPU, where the
    peak is the process's resident memory. `model_operations_per_second` over `ceiling_operations_per_second` is the
    utilisation. Phases are None for a step that is replayed as a whole.
    """

    steps: int
    setup_seconds: float
    warmup_seconds: float
    samples_per_second: float
    tokens_per_second: float
    step_seconds_p50: float
    step_seconds_p95: float
    peak_memory_gib: float
    peak_reserved_gib: float | None
    padding_waste: float
    model_operations_per_second: float
    ceiling_operations_per_second: float
    forward_share: float | None
    backward_share: float | None
    optimizer_share: float | None
    host_share: float | None


def profile(config: RunConfig, steps: int, warmup: int, device: torch.device) -> tuple[Profile, dict[str, Any]]:
    """Measure about `steps` optimizer steps, in whole passes over as many items as they take; also return run facts.

    All systems with the same split and batch size see the same items, whatever the order of their batches. The order
    of measurements matters: memory is read before anything that only the profile needs is loaded, and phases are timed
    in separate steps, because waiting for each of them would change the speed.
    """
    started = time.perf_counter()
    if device.type == "cpu":
        keep_freed_memory()
    group, measured = ProcessGroup(device=device), _with_items(config, steps)
    prepared = prepare(measured, device, RunCache())
    training = training_for(measured, prepared, group)
    training.model.train()
    setup = time.perf_counter() - started
    with prepared.around(), quick_masks(device):
        batches = _epochs(training, steps)
        warmup_seconds = _take(training, warmup_batches(training, batches, warmup))
        reset_peak_memory(device)
        measured_speed = speed(training, batches)
        memory, reserved = peak_memory_gib(device), _reserved_gib(device)
        some = max(1, round(len(batches) * SHARE_OF_STEPS))
        phases = phase_shares(training, spaced(batches, training.train.lengths, some))
        needed = operations_per_token(training, spaced(batches, training.train.lengths, COUNTED_BATCHES))
        ceiling = matrix_product_rate(device, config.model.precision)
    result = Profile(
        steps=len(batches),
        setup_seconds=setup,
        warmup_seconds=warmup_seconds,
        **measured_speed,
        peak_memory_gib=memory,
        peak_reserved_gib=reserved,
        padding_waste=positions(training.train, batches, training.plan.unpadded).waste,
        model_operations_per_second=needed * measured_speed["tokens_per_second"],
        ceiling_operations_per_second=ceiling,
        **{f"{phase}_share": None if phases is None else phases[phase] for phase in PHASES},
    )
    facts = fixed_columns(measured, prepared.parts, prepared.trimmed, prepared.model, group)
    return result, {name: facts[name] for name in FACTS}


def _with_items(config: RunConfig, steps: int) -> RunConfig:
    """Return the run on as many training items as the steps take, from pretrained weights."""
    items = steps * config.train.batch_size
    if config.split.train_items is not None:
        items = min(items, config.split.train_items)
    split = config.split.model_copy(update={"train_items": items})
    train = config.train.model_copy(update={"epochs": 1000})  # the learning rate never reaches its end
    return config.model_copy(update={"split": split, "train": train, "init_from": None})


def _epochs(training: Training, steps: int) -> list[Indices]:
    """Return the batches of whole epochs, as few as have that many steps."""
    batches: list[Indices] = []
    while len(batches) < steps:
        batches += training.batches()
        training.position.epoch += 1
    return batches


def warmup_batches(training: Training, batches: Sequence[Indices], count: int) -> list[Indices]:
    """Return `count` batches of all lengths; with few, fixed shapes every shape comes twice before them.

    Such shapes are compiled when they occur first, or captured when they occur again.
    """
    some = spaced(batches, training.train.lengths, count)
    if training.plan.width_multiple in (None, 1):
        return some
    shapes = {(len(batch), int(training.train.widths[batch].max())): batch for batch in batches}
    return [batch for batch in shapes.values() for _ in range(2)] + some


def spaced(batches: Sequence[Indices], lengths: np.ndarray, count: int) -> list[Indices]:
    """Return `count` batches from the longest to the shortest, evenly spaced; repeat them if there are fewer."""
    if count == 0:
        return []
    order = sorted(range(len(batches)), key=lambda number: -int(lengths[batches[number]].max()))
    chosen = np.linspace(0, len(order) - 1, min(count, len(order))).round().astype(int)
    return [batches[order[rank]] for rank in np.resize(chosen, count)]


def _take(training: Training, batches: Sequence[Indices]) -> float:
    """Take these steps and return their seconds."""
    started = time.perf_counter()
    for batch in batches:
        training.step(batch)
    wait(training.group.device)
    return time.perf_counter() - started


def speed(training: Training, batches: Sequence[Indices]) -> dict[str, float]:
    """Take these steps and return their speeds, and how long single steps took."""
    items, tokens, clock = training.totals.items, training.totals.tokens, training.clock
    started = time.perf_counter()
    clock.tick()
    for batch in batches:
        training.step(batch)
        clock.tick()
    clock.pause()
    seconds = time.perf_counter() - started
    return {
        "samples_per_second": (training.totals.items - items) / seconds,
        "tokens_per_second": (training.totals.tokens - tokens) / seconds,
        "step_seconds_p50": float(np.percentile(clock.seconds, 50)),
        "step_seconds_p95": float(np.percentile(clock.seconds, 95)),
    }


def _reserved_gib(device: torch.device) -> float | None:
    return torch.cuda.max_memory_reserved(device) / GIB if device.type == "cuda" else None


class PhaseTimer:
    """Seconds per phase: `lap` ends the current phase and begins the next, once the device has caught up."""

    def __init__(self, device: torch.device) -> None:
        """Begin with the host's phase."""
        self.seconds = dict.fromkeys(PHASES, 0.0)
        self._device, self._phase, self._since = device, "host", time.perf_counter()

    def lap(self, phase: str) -> None:
        """Begin `phase`."""
        wait(self._device)
        now = time.perf_counter()
        self.seconds[self._phase] += now - self._since
        self._phase, self._since = phase, now

    def around(self, phase: str, after: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return the function, timed as `phase`; the phase after it is `after`."""

        def timed(*arguments: Any, **named: Any) -> Any:
            self.lap(phase)
            result = function(*arguments, **named)
            self.lap(after)
            return result

        return timed


def phase_shares(training: Training, batches: Sequence[Indices]) -> dict[str, float] | None:
    """Take these steps and return each phase's share of their time; None for steps that are replayed as a whole.

    The loss belongs to forward, clipping to the optimizer, batches to the host.
    """
    wait(training.group.device)
    timer = PhaseTimer(training.group.device)
    with _observed(training, timer):
        for batch in batches:
            training.step(batch)
    timer.lap("host")
    total = sum(timer.seconds.values())
    if not timer.seconds["forward"]:
        return None
    return {phase: seconds / total for phase, seconds in timer.seconds.items()}


@contextmanager
def _observed(training: Training, timer: PhaseTimer) -> Iterator[None]:
    """Time the step's three calls; restore them afterwards."""
    parallel, optimizer_step = training.parallel, training.optimizer_step
    training.parallel = timer.around("forward", "forward", parallel)  # type: ignore[assignment]
    optimizer_step.backward = timer.around("backward", "host", optimizer_step.backward)  # type: ignore[method-assign]
    optimizer_step.step = timer.around("optimizer", "host", optimizer_step.step)  # type: ignore[method-assign]
    try:
        yield
    finally:
        training.parallel = parallel
        del optimizer_step.backward, optimizer_step.step


def run_profile(request: dict[str, Any]) -> dict[str, Any]:
    """Return result, reason, measurements and facts, ready for JSON."""
    config = RunConfig.model_validate_json(json.dumps(request["config"]))
    try:
        measured, facts = profile(config, request["steps"], request["warmup"], ProcessGroup.current().device)
    except (MemoryError, torch.OutOfMemoryError) as error:
        return {"result": "out of memory", "reason": first_line(error)}
    except (RuntimeError, ValueError, IndexError, ImportError, OSError) as error:
        return {"result": "failed", "reason": first_line(error)}
    return {"result": "measured", **asdict(measured), **facts, "torch_version": torch.__version__}
