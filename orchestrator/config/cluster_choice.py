"""Decides whether clusters of items stay whole in the splits of an experiment, where the file leaves it open.

Whether a draw keeps clusters whole belongs to a run's id, and depends on whether the data have clusters.
"""

from __future__ import annotations

from typing import Any

from orchestrator.config.error_messages import Check
from orchestrator.config.experiment import TASK, Experiment
from orchestrator.config.yaml_file import KeyPath
from trainables import registry
from trainables.config import DataConfig, SplitConfig
from trainables.data.dataset import Corpus
from trainables.data.load import load_corpus
from trainables.data.splits import clusters_to_keep
from trainables.protocols.task import Task


def with_clusters(check: Check, experiment: Experiment, task: Task) -> Experiment:
    """Return the experiment with `split.clusters` filled in, for its data and for the text it adapts models to.

    It stays null where nothing is drawn, or no two items share a cluster: then ids are what they were before clusters.
    Raises InvalidExperiment for data that cannot be read, and for a choice in the file that decides nothing.
    """
    changed: dict[str, Any] = {"split": _with_clusters(check, (), experiment.split, experiment.data, task)}
    if experiment.adapt is not None:
        text: Task = registry.load("task", TASK)
        split = _with_clusters(check, ("adapt",), experiment.adapt.split, experiment.adapt.data, text)
        changed["adapt"] = experiment.adapt.model_copy(update={"split": split})
    check.finish()
    return experiment.model_copy(update=changed)


def _with_clusters(check: Check, place: KeyPath, split: SplitConfig, data: DataConfig, task: Task) -> SplitConfig:
    corpus: Corpus | None = check.attempt((*place, "data"), lambda: load_corpus(data, task.fields, keep=True))
    if corpus is None:
        return split
    path = (*place, "split", "ids" if split.clusters is None else "clusters")
    clusters = check.attempt(path, lambda: clusters_to_keep(task, corpus, split))
    if clusters is None or split.clusters is not None:
        return split
    return split.model_copy(update={"clusters": "whole"})
