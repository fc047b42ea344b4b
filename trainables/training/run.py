"""Executes one run, from its configuration to its outcome: data, split, model, training, test and table columns."""

from __future__ import annotations

import copy
import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import pandas as pd
from torch import nn

from analysis.tables.folder import Folder
from trainables.config import RunConfig
from trainables.modeling.pretrained import instantiate
from trainables.modeling.save_model import ModelBundle
from trainables.modeling.tokenizer import training_texts
from trainables.system import private_parts
from trainables.system.memory import keep_freed_memory, reset_peak_memory
from trainables.training.best_weights import LastEpochs, SavingEpochs
from trainables.training.checkpoint import Checkpoints, own_threads, resume
from trainables.training.control_points import NoControl, RunControl
from trainables.training.distributed import ProcessGroup
from trainables.training.evaluation import is_usable
from trainables.training.outcome import Diverged, Outcome, Status, Stopped
from trainables.training.run_columns import Scored, fixed_columns, measured_columns, score_columns
from trainables.training.seeding import RandomStream, derived
from trainables.training.setup import Prepared, prepare
from trainables.training.token_cache import RunCache
from trainables.training.trainer import Training

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class ComputeOptions:
    """How a run is computed; it never changes the results."""

    accumulation: int = 1
    seconds_between_checkpoints: float = 600.0


@own_threads()
def run(
    config: RunConfig,
    *,
    group: ProcessGroup | None = None,
    cache: RunCache | None = None,
    control: RunControl | None = None,
    folder: Folder | None = None,
    layout: ComputeOptions | None = None,
    init_from: Folder | None = None,
    keep: bool = False,
    last_epochs: LastEpochs | None = None,
) -> Outcome:
    """Fine-tune and score one model. All ranks must call it; rank 0's outcome is the run's.

    `folder` holds checkpoints; a run that finds one there goes on from it. `init_from` holds the saved weights that
    `config.init_from` names. `keep` asks for the model with its best weights in the outcome, `last_epochs` for folders
    with the models of the last epochs. Raises DataError, ValueError or OSError for what the user can fix; a non-finite
    loss is an outcome (`diverged`), not an exception.
    """
    group, cache, layout = group or ProcessGroup.current(), cache or RunCache(), layout or ComputeOptions()
    started = time.perf_counter()
    reset_peak_memory(group.device)
    if group.device.type == "cpu":
        keep_freed_memory()
    prepared = prepare(config, group.device, cache, init_from)
    if last_epochs is not None:
        control = SavingEpochs(
            control or NoControl(), last_epochs, lambda: _bundle_of_copy(config, prepared, training.thresholds)
        )
    _log_counts(prepared)
    training = training_for(config, prepared, group, control, folder, layout, keep)
    setup = time.perf_counter() - started
    earlier = training.totals.train_seconds + training.totals.evaluation_seconds  # before
    end: Status = "completed"
    reason, scored = None, None
    try:
        with prepared.around():
            training.run()
            scored = _scored(config, prepared, training, group)
    except Diverged as error:
        end, reason = "diverged", str(error)
    except Stopped as stopped:
        end, reason = ("pruned" if stopped.prune else "stopped"), str(stopped)
    columns = fixed_columns(config, prepared.parts, prepared.trimmed, prepared.model, group)
    seconds = earlier + time.perf_counter() - started
    columns |= {**measured_columns(training), "seconds_setup": setup, "seconds_total": seconds}
    if end != "completed":
        return Outcome(end, reason, columns, pd.DataFrame(training.totals.rows))
    outcome = _outcome(prepared, training, scored, columns)
    return replace(outcome, kept=_bundle_of_best(config, prepared, training, scored)) if keep and scored else outcome


def _log_counts(prepared: Prepared) -> None:
    """Log for each part what the model does not see or cannot get right."""
    for name, part in prepared.parts.items():
        counts = ", ".join(f"{count} {fact.replace('_', ' ')}" for fact, count in part.features.facts.items() if count)
        if counts:
            logger.info("%s: %d items; %s", name, part.num_items, counts)


def training_for(
    config: RunConfig,
    prepared: Prepared,
    group: ProcessGroup,
    control: RunControl | None = None,
    folder: Folder | None = None,
    layout: ComputeOptions | None = None,
    keep: bool = False,
) -> Training:
    """Return the training of a prepared run, resumed from its newest checkpoint if there is one."""
    control, layout = control or NoControl(), layout or ComputeOptions()
    checkpoints = Checkpoints(folder, layout.seconds_between_checkpoints)
    training = Training(
        config=config,
        plan=prepared.plan,
        task=prepared.task,
        model=prepared.model,
        train=prepared.parts["train"].loader,
        judged={name: part.loader for name, part in prepared.judged.items()},
        judge=prepared.judge,
        metric=prepared.own_metric.name if prepared.own_metric else config.metric or prepared.task.primary_metric,
        group=group,
        control=control,
        checkpoints=checkpoints,
        accumulation=layout.accumulation,
        keep_weights=keep or "test" in prepared.parts,
    )
    if resume(training):
        logger.info("going on from step %d of %d", training.position.step, training.rate.total)
    return training


def _scored(config: RunConfig, prepared: Prepared, training: Training, group: ProcessGroup) -> Scored | None:
    """Return predictions and metrics of the best epoch; the test part is scored once, with that epoch's weights.

    Both use the thresholds of that epoch, which were tuned on other items. All ranks but 0 get None.
    """
    best = training.best
    evaluation = None
    if "test" in prepared.parts:
        best.reload(prepared.model)
        evaluation = training.evaluate(prepared.parts["test"].loader)
        if not is_usable(evaluation):
            raise Diverged(training.position.step, "test loss became non-finite")
    if not group.is_main:
        return None
    tables = {"validation": prepared.validated(best.outputs, best.thresholds)}
    if evaluation is not None:
        tables["test"] = prepared.predictions("test", evaluation.outputs, best.thresholds)
    tables = {part: prepared.with_repeats_joined(table) for part, table in tables.items()}
    return Scored(tables, {part: prepared.score(table) for part, table in tables.items()}, best.thresholds)


def _outcome(prepared: Prepared, training: Training, scored: Scored | None, columns: dict[str, Any]) -> Outcome:
    """Return the outcome of a run that reached its end; only rank 0's is complete."""
    if scored is None:
        return Outcome("completed")
    collapse = prepared.task.collapse(scored.reported)
    return Outcome(
        "completed" if collapse is None else "collapsed",
        collapse,
        {**columns, **score_columns(training, scored)},
        pd.DataFrame(training.totals.rows),
        pd.concat(list(scored.predictions.values()), ignore_index=True),
        scored.thresholds,
    )


def _bundle_of_best(config: RunConfig, prepared: Prepared, training: Training, scored: Scored) -> ModelBundle:
    """Return the model with the weights of its best epoch. It stays on its device until it is saved."""
    training.best.reload(prepared.model)
    return _bundle(config, prepared, prepared.model, scored.thresholds)


def _bundle_of_copy(config: RunConfig, prepared: Prepared, thresholds: Mapping[str, float]) -> ModelBundle:
    """Return a copy of the model as it is now, so that saving does not touch the model in training."""
    return _bundle(config, prepared, copy.deepcopy(private_parts.uncompiled(prepared.model)), thresholds)


def _has_pairs(prepared: Prepared) -> bool:
    """Return whether the task judges pairs of texts: a second text is one of its inputs only beside a label."""
    fields = prepared.task.fields
    judged = "text" in fields and len(fields) > 1
    return judged and any(item.get("text_pair") is not None for item in prepared.corpus.items)


def _bundle(config: RunConfig, prepared: Prepared, module: nn.Module, thresholds: Mapping[str, float]) -> ModelBundle:
    return ModelBundle(
        module=module,
        vocabulary=prepared.trimmed.vocabulary,
        whole=lambda: instantiate(prepared.whole(), derived(config.seed, RandomStream.WEIGHTS)),
        texts=partial(training_texts, prepared.corpus),
        config=config,
        task_options=prepared.task.options.model_dump(mode="json"),
        labels=prepared.labels,
        thresholds=thresholds,
        head=prepared.trimmed.pretrained.remark,
        pairs=_has_pairs(prepared),
    )
