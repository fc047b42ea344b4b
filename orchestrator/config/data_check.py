"""Reads the data once, before any resource is requested, and checks that every split of the experiment can be used."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from orchestrator.config.resolve import ResolvedExperiment
from orchestrator.errors import UserError
from trainables import registry
from trainables.config import RunConfig
from trainables.data.dataset import Corpus, DataError
from trainables.data.load import load_corpus
from trainables.data.splits import Split, split_for
from trainables.protocols.task import Task


@dataclass(frozen=True)
class DataFacts:
    """What is known about the data before the first run.

    `duplicates` counts evaluation items that are also training items, in the worst split. `adapt` has the same facts
    about the text that models are adapted to.
    """

    items: int
    labels: int
    train_items: int
    evaluation_items: int
    duplicates: int
    notes: tuple[str, ...]
    adapt: DataFacts | None = None

    @property
    def warnings(self) -> tuple[str, ...]:
        """Notes that every reader of the results must see."""
        adapt = () if self.adapt is None else tuple(f"adapt: {note}" for note in self.adapt.notes)
        if not self.duplicates:
            return (*self.notes, *adapt)
        return (*self.notes, *adapt, f"{self.duplicates} evaluation items are also training items: scores are too high")


def check_data(resolved: ResolvedExperiment, *, strict: bool = False) -> DataFacts:
    """Read every item and draw every split. Raises DataError with file, row and reason.

    `strict` raises UserError, instead of warning, if evaluation items are also training items.
    """
    experiment = resolved.experiment
    seeds = experiment.seeds if experiment.split.seed == "run" else (experiment.split.seed,)
    facts = _facts_of(resolved.systems[0].config, [(seed, fold) for seed in seeds for fold in resolved.folds])
    if strict and facts.duplicates:
        raise UserError(f"data: {facts.duplicates} evaluation items are also training items; remove them (--strict)")
    if not resolved.adaptations:
        return facts
    return replace(facts, adapt=_facts_of(adapt := resolved.adaptations[0].config, [(adapt.split_seed, None)]))


def _facts_of(config: RunConfig, drawn: Sequence[tuple[int, int | None]]) -> DataFacts:
    """Return the facts about one data set, split with every (seed, fold)."""
    task: Task = registry.load("task", config.task).configured(config.task_options)
    corpus = load_corpus(config.data, task.fields)
    task.check(corpus.items)
    labels = task.label_space(corpus.items)
    _check_metric(config.metric, labels)
    splits = [split_for(task, corpus, config.split, seed, fold) for seed, fold in drawn]
    for split in splits:
        task.check_split(corpus.items, split, labels)
    notes = corpus.notes
    first = splits[0]
    if config.split.train_items is not None:
        notes = (*notes, f"trained on {len(first.train)} items only (split.train_items): not a real result")
    notes = (*notes, *_labels_without_items(task, corpus, first))
    evaluated = len(first.validation) + len(first.test)
    duplicates = max(split.duplicates for split in splits)
    return DataFacts(len(corpus), len(labels), len(first.train), evaluated, duplicates, notes)


def _check_metric(name: str | None, labels: Sequence[str]) -> None:
    """Raise DataError if the requested metric cannot score these labels (binary F1 with three classes, for example)."""
    if name is None or not labels or name not in registry.names("metric"):
        return
    if not registry.load("metric", name).applies(set(labels)):
        shown = ", ".join(labels[:5]) + (", ..." if len(labels) > 5 else "")
        raise DataError(f"compare.metric: {name} cannot score these {len(labels)} labels: {shown}")


def _labels_without_items(task: Task, corpus: Corpus, split: Split) -> tuple[str, ...]:
    """Return a note for each label that no reported item has: nothing will be known about it."""
    strata = task.strata(corpus.items)
    if strata is None:
        return ()
    part = "test" if len(split.test) else "validation"
    absent = set().union(*strata) - set().union(*(strata[index] for index in split.part(part)))
    return tuple(f"no {part} item has the label {label!r}: its F1 cannot be above 0" for label in sorted(absent))
