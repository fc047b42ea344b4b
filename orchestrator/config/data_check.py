"""Reads the data once, before any resource is requested, and checks that every split of the experiment can be used."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from itertools import groupby
from typing import Literal

from analysis.comparison.design import KNOWN_CLUSTERS
from orchestrator.config.resolve import ResolvedExperiment
from orchestrator.errors import UserError
from orchestrator.units import plural
from trainables import registry
from trainables.config import RunConfig
from trainables.data.dataset import Corpus, DataError, Item
from trainables.data.leakage import GOLD, Contents, Overlap
from trainables.data.load import forget, load_corpus
from trainables.data.splits import Split, split_for
from trainables.protocols.task import Task

MOST_NAMED = 3


@dataclass(frozen=True)
class UnseenLabel:
    """A label that no training item of one split has, and how many items of `part` have it: the model misses it there.

    `split` names the split by its fold or seed; empty if there is only one.
    """

    label: str
    part: str
    items: int
    split: str


@dataclass(frozen=True)
class DataFacts:
    """What is known about the data before the first run.

    `duplicates` counts evaluation items that are also training items; with `near_duplicates`, `short_duplicates`,
    `repeated` and `known_clusters` (`trainables/data/leakage.py`) it is the worst number of any split. `clusters` says
    whether they stay whole; None if no two items share one, or nothing is drawn. `first_duplicate` has the ids of the
    first duplicate and of its training item. `adapt` has the same facts about the text that models are adapted to.
    """

    items: int
    labels: int
    train_items: int
    evaluation_items: int
    duplicates: int
    notes: tuple[str, ...]
    adapt: DataFacts | None = None
    near_duplicates: int = 0
    short_duplicates: int = 0
    repeated: int = 0
    known_clusters: int = 0
    unseen_labels: tuple[UnseenLabel, ...] = ()
    clusters: Literal["whole", "divided"] | None = None
    first_duplicate: tuple[str, str] | None = None

    @property
    def warnings(self) -> tuple[str, ...]:
        """Notes that every reader of the results must see."""
        adapt = () if self.adapt is None else tuple(f"adapt: {note}" for note in self.adapt.notes)
        return (*self.notes, *adapt, *self._about_overlap(), *_about_unseen(self.unseen_labels))

    @property
    def also_trained(self) -> str:
        """How many evaluation items are duplicates, in words."""
        are = "is also a training item" if self.duplicates == 1 else "are also training items"
        return f"{_items(self.duplicates)} {are}"

    def _about_overlap(self) -> Iterator[str]:
        if self.duplicates:
            yield f"{self.also_trained}: scores are too high"
        if self.near_duplicates:
            differ = "differs from a training item" if self.near_duplicates == 1 else "differ from training items"
            yield f"{_items(self.near_duplicates)} {differ} only in case, punctuation or numbers"
        if self.short_duplicates:
            repeat = "repeats a training item" if self.short_duplicates == 1 else "repeat training items"
            yield f"{_items(self.short_duplicates)} {repeat}, but so short (one or two words) that it means nothing"
        if self.repeated:
            repeat = "repeats another one" if self.repeated == 1 else "repeat others"
            yield f"{_items(self.repeated)} {repeat} of the same part: resampled together, as one piece of evidence"
        if self.known_clusters:
            share = "shares a cluster" if self.known_clusters == 1 else "share a cluster"
            of_all = f"{self.known_clusters} of {_items(self.evaluation_items)}"
            yield f"{of_all} {share} with training items: {KNOWN_CLUSTERS}"


def _items(number: int) -> str:
    return plural(number, "evaluation item")


def _about_unseen(unseen: Sequence[UnseenLabel]) -> Iterator[str]:
    """Yield a sentence for each label that a split's training items lack, with the splits and the items it costs."""
    for label, group in groupby(sorted(unseen, key=lambda one: one.label), key=lambda one: one.label):
        places = [f"{plural(one.items, f'{one.part} item')}{f' of {one.split}' * bool(one.split)}" for one in group]
        more = f" and in {len(places) - MOST_NAMED} more splits" if len(places) > MOST_NAMED else ""
        yield f"no training item has the label {label!r}: it is missed in {', '.join(places[:MOST_NAMED])}{more}"


def check_data(
    resolved: ResolvedExperiment, *, strict: bool = False, on_corpus: Callable[[Corpus], None] | None = None
) -> DataFacts:
    """Read every item and draw every split. Raises DataError with file, row and reason.

    `strict` raises UserError, instead of warning, if evaluation items are also training items. `on_corpus` gets the
    data as soon as it is read and checked. Afterwards nothing is kept in memory of what was read for it and before it.
    """
    try:
        return _checked(resolved, strict, on_corpus)
    finally:
        forget()


def _checked(resolved: ResolvedExperiment, strict: bool, on_corpus: Callable[[Corpus], None] | None) -> DataFacts:
    experiment = resolved.experiment
    seeds = experiment.seeds if experiment.split.seed == "run" else (experiment.split.seed,)
    drawn = [(seed, fold) for seed in seeds for fold in resolved.folds]
    facts = _facts_of(resolved.systems[0].config, drawn, on_corpus)
    if strict and facts.first_duplicate is not None:
        item, trained = facts.first_duplicate
        example = f"the first is item {item!r}, the same as training item {trained!r}"
        raise UserError(f"data: {facts.also_trained}; remove them (--strict): {example}")
    if not resolved.adaptations:
        return facts
    return replace(facts, adapt=_facts_of(adapt := resolved.adaptations[0].config, [(adapt.split_seed, None)]))


def _facts_of(
    config: RunConfig,
    drawn: Sequence[tuple[int, int | None]],
    on_corpus: Callable[[Corpus], None] | None = None,
) -> DataFacts:
    """Return the facts about one data set, split with every (seed, fold)."""
    task: Task = registry.load("task", config.task).configured(config.task_options)
    gold = getattr(task, "gold", GOLD)
    corpus = load_corpus(config.data, task.fields, keep=True)
    task.check(corpus.items)
    labels = task.label_space(corpus.items)
    if on_corpus is not None:
        on_corpus(corpus)
    _check_metric(config.metric, labels)
    splits = [split_for(task, corpus, config.split, seed, fold) for seed, fold in drawn]
    for split in splits:
        task.check_split(corpus.items, split, labels)
    notes = corpus.notes
    first = splits[0]
    if config.split.train_items is not None:
        notes = (*notes, f"trained on {len(first.train)} items only (split.train_items): not a real result")
    notes = (*notes, *_labels_without_items(task, corpus, splits))
    contents = Contents.of(corpus.items, task.fields, gold)
    overlap = reduce(Overlap.worst, [contents.overlap(split) for split in splits])
    labels_of = [_labels_in(item, gold, frozenset(labels)) for item in corpus.items]
    pairs = (pair for split in splits if (pair := contents.first_duplicate(split)) is not None)
    names = _names(drawn)
    unseen = [one for name, split in zip(names, splits, strict=True) for one in _unseen(labels_of, split, name)]
    return DataFacts(
        items=len(corpus),
        labels=len(labels),
        train_items=len(first.train),
        evaluation_items=len(first.validation) + len(first.test),
        notes=notes,
        unseen_labels=tuple(unseen),
        clusters=config.split.clusters,
        first_duplicate=next(((_id(corpus, one), _id(corpus, other)) for one, other in pairs), None),
        **vars(overlap),
    )


def _id(corpus: Corpus, index: int) -> str:
    return str(corpus.items[index]["id"])


def _names(drawn: Sequence[tuple[int, int | None]]) -> list[str]:
    """Name each split by what differs between them: its fold, its seed or both."""
    seeds = len({seed for seed, _ in drawn}) > 1
    folds = len({fold for _, fold in drawn}) > 1
    return [f"{f'seed {seed}' * seeds} {f'fold {fold}' * folds}".strip() for seed, fold in drawn]


def _labels_in(item: Item, gold: Sequence[str], known: frozenset[str]) -> frozenset[str]:
    """Return the labels of an item: those of the label space that stand in its fields with the right answers."""
    values = [item[name] for name in gold if name in item]
    flat = [entry for value in values for entry in (value if isinstance(value, list | tuple) else (value,))]
    return known & {str(entry) for entry in flat}


def _unseen(labels_of: Sequence[frozenset[str]], split: Split, name: str) -> Iterator[UnseenLabel]:
    seen = frozenset().union(*(labels_of[index] for index in split.train))
    for part in ("validation", "test"):
        absent = Counter(label for index in split.part(part) for label in labels_of[index] - seen)
        yield from (UnseenLabel(label, part, number, name) for label, number in sorted(absent.items()))


def _check_metric(name: str | None, labels: Sequence[str]) -> None:
    """Raise DataError if the requested metric cannot score these labels (binary F1 with three classes, for example)."""
    if name is None or not labels or name not in registry.names("metric"):
        return
    if not registry.load("metric", name).applies(set(labels)):
        shown = ", ".join(labels[:5]) + (", ..." if len(labels) > 5 else "")
        raise DataError(f"compare.metric: {name} cannot score these {len(labels)} labels: {shown}")


def _labels_without_items(task: Task, corpus: Corpus, splits: Sequence[Split]) -> tuple[str, ...]:
    """Return a note for each label that no reported item of any split has: nothing will be known about it."""
    strata = task.strata(corpus.items)
    if strata is None:
        return ()
    part = "test" if len(splits[0].test) else "validation"
    reported = {int(index) for split in splits for index in split.part(part)}
    absent = set().union(*strata) - set().union(*(strata[index] for index in reported))
    return tuple(f"no {part} item has the label {label!r}: its F1 cannot be above 0" for label in sorted(absent))
