"""Reads the data once, before any resource is asked for, and checks that every split of the experiment can be used."""

from __future__ import annotations

from dataclasses import dataclass

from orchestrator.errors import UserError
from orchestrator.spec.resolve import Resolved
from trainables import registry
from trainables.engine.data import load_corpus
from trainables.engine.splits import Split, split_for
from trainables.engine.task import Task


@dataclass(frozen=True)
class DataFacts:
    """What is known of the data before the first run. `duplicates`: evaluation items that also train (most)."""

    items: int
    labels: int
    train_items: int
    evaluation_items: int
    duplicates: int
    notes: tuple[str, ...]

    @property
    def warnings(self) -> tuple[str, ...]:
        """What every reader of the results must know."""
        if not self.duplicates:
            return self.notes
        return (*self.notes, f"{self.duplicates} evaluation items are also training items: scores are too high")


def check_data(resolved: Resolved, *, strict: bool = False) -> DataFacts:
    """Read every item and draw every split. Raises DataError with file, row and reason.

    `strict` turns evaluation items that also train from a warning into UserError.
    """
    experiment = resolved.experiment
    task: Task = registry.load("task", experiment.task).configured(experiment.task_options)
    corpus = load_corpus(experiment.data)
    task.check(corpus.items)
    labels = task.label_space(corpus.items)
    splits = [
        split_for(task, corpus, experiment.split, seed, fold)
        for seed in _split_seeds(resolved)
        for fold in resolved.folds
    ]
    for split in splits:
        task.check_split(corpus.items, split, labels)
    notes = corpus.notes
    if experiment.split.train_items is not None:
        notes = (*notes, f"trained on {len(splits[0].train)} items only (split.train_items): not a real result")
    facts = _facts(splits, len(corpus), len(labels), notes)
    if strict and facts.duplicates:
        raise UserError(f"data: {facts.duplicates} evaluation items are also training items; remove them (--strict)")
    return facts


def _split_seeds(resolved: Resolved) -> tuple[int, ...]:
    seed = resolved.experiment.split.seed
    return resolved.experiment.seeds if seed == "run" else (seed,)


def _facts(splits: list[Split], items: int, labels: int, notes: tuple[str, ...]) -> DataFacts:
    first = splits[0]
    evaluated = len(first.validation) + len(first.test)
    duplicates = max(split.duplicates for split in splits)
    return DataFacts(items, labels, len(first.train), evaluated, duplicates, notes)
