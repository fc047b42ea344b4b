"""Says how the data was read: the files, their columns, the labels, the first items, and their lengths in tokens.

What a person looks at before believing a number: a wrong column or a wrong label is seen here, and nowhere later.
Tokenizers run in a fresh process, and only those that are on this machine; a sample of the items is enough for them.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain
from typing import Any

from orchestrator.config.data_check import DataFacts, check_data
from orchestrator.config.resolve import ResolvedExperiment
from trainables import registry
from trainables.config import ModelConfig
from trainables.data.dataset import Corpus, Item
from trainables.data.how_read import HowRead
from trainables.protocols.task import Task
from trainables.system import fresh_process
from trainables.system.fresh_process import ProcessFailed

FIRST_ITEMS = 3
SAMPLED_ITEMS = 2_000
SAMPLED_CHARACTERS = 1_500_000  # of all items together and all tokenizers: about a second
SHOWN_CHARACTERS, SHOWN_ENTRIES = 2_000, 200  # of a field of the first items


@dataclass(frozen=True)
class FileRead:
    """How one file was read. `columns` says in words where each field of the task comes from."""

    path: str
    format: str
    delimiter: str | None
    encoding: str | None
    quoting: str | None
    header: bool | None
    columns: Mapping[str, str]
    remarks: tuple[str, ...]


@dataclass(frozen=True)
class TokenLengths:
    """Tokens per item for the models that share a tokenizer and `max_length`, of `items` that were looked at.

    `cut_items` lose tokens to `max_length`; for questions, they are those whose answer is in no window. If there are no
    numbers, `problem` says why; with `fails`, every run of these models would end with it.
    """

    models: tuple[str, ...]
    max_length: int
    items: int
    p50: int | None = None
    p95: int | None = None
    max: int | None = None
    cut_items: int | None = None
    problem: str | None = None
    fails: bool = False


@dataclass(frozen=True)
class DataPreview:
    """What was read. `parts` counts the items of the data's own parts.

    `labels` counts the items (or words, where these have labels) of each label, most frequent first. `first_items`
    hold the task's fields, long ones cut short.
    """

    source: str
    files: tuple[FileRead, ...]
    items: int
    parts: Mapping[str, int]
    labels: Mapping[str, int]
    first_items: tuple[Item, ...]
    tokens: tuple[TokenLengths, ...]

    @property
    def warnings(self) -> tuple[str, ...]:
        """What would end runs, or nothing."""
        return tuple(
            f"{', '.join(entry.models)}: no run can work: {entry.problem}" for entry in self.tokens if entry.fails
        )

    def document(self) -> dict[str, Any]:
        """Return it for `--json`: what all files have in common at the top, each file and each tokenizer in lists.

        `format`, `delimiter`, `encoding` and `columns` are null where files differ, or have a reader of their own.
        `token_lengths` and `cut_items` are those of the first tokenizer that could be used.
        """
        usable = next((entry for entry in self.tokens if entry.problem is None), None)
        lengths = None if usable is None else {name: getattr(usable, name) for name in ("p50", "p95", "max")}
        return {
            "source": self.source,
            **{name: _shared(self.files, name) for name in ("format", "delimiter", "encoding", "columns")},
            "items": self.items,
            "labels": len(self.labels),
            "label_counts": dict(self.labels),
            "parts": dict(self.parts),
            "first_items": list(self.first_items),
            "token_lengths": lengths,
            "cut_items": None if usable is None else usable.cut_items,
            "files": [{**vars(file), "columns": dict(file.columns)} for file in self.files],
            "tokenizers": [vars(entry) for entry in self.tokens],
        }


def _shared(files: Sequence[FileRead], name: str) -> Any:
    values = [getattr(file, name) for file in files]
    return values[0] if values and all(value == values[0] for value in values) else None


def look_at_data(
    resolved: ResolvedExperiment, *, strict: bool = False, show: bool = True
) -> tuple[DataFacts, DataPreview | None]:
    """Check the data as `check_data` does, and return how it was read as well if that is to be shown.

    Tokenizers work in their own process while splits are drawn in this one.
    """
    if not show:
        return check_data(resolved, strict=strict), None
    shown: list[Future[DataPreview]] = []
    with ThreadPoolExecutor(max_workers=1) as pool:
        facts = check_data(
            resolved, strict=strict, on_corpus=lambda corpus: shown.append(pool.submit(preview, resolved, corpus))
        )
        return facts, shown[0].result()


def preview(resolved: ResolvedExperiment, corpus: Corpus) -> DataPreview:
    """Return what a person should see of the data of an experiment, which has been read and checked."""
    config = resolved.systems[0].config
    task: Task = registry.load("task", config.task).configured(config.task_options)
    fields = inputs_first(task.fields)
    return DataPreview(
        source=corpus.source,
        files=tuple(map(_file, corpus.how)),
        items=len(corpus),
        parts={name: len(indices) for name, indices in (corpus.parts or {}).items()},
        labels=label_counts(corpus.items, task.fields),
        first_items=tuple(_shown(item, fields) for item in corpus.items[:FIRST_ITEMS]),
        tokens=_token_lengths(resolved, task, corpus.items),
    )


def inputs_first(fields: Sequence[str]) -> tuple[str, ...]:
    """Return the fields of a task, with the second text of a pair after the first."""
    return tuple(chain.from_iterable((name, "text_pair") if name == "text" else (name,) for name in fields))


def _file(how: HowRead) -> FileRead:
    columns = dict(how.columns)
    return FileRead(
        how.path, how.format, how.delimiter, how.encoding, how.quoting, how.header, columns, tuple(how.remarks)
    )


def label_counts(items: Sequence[Item], fields: Sequence[str]) -> dict[str, int]:
    """Return how often each label occurs, most frequent first; for questions, how many have an answer."""
    labels: Iterable[Any] = ()
    if "label" in fields:
        labels = (item["label"] for item in items)
    elif "labels" in fields:
        labels = chain.from_iterable(item["labels"] for item in items)
    elif "answers" in fields:
        labels = ("answer" if item["answers"]["text"] else "no answer" for item in items)
    return dict(Counter(map(str, labels)).most_common())


def _shown(item: Item, fields: Sequence[str]) -> Item:
    """Return the fields of an item that matter, as plain values of a bounded size."""
    return {name: _short(item[name]) for name in ("id", *fields, "cluster") if item.get(name) is not None}


def _short(value: Any) -> Any:
    if isinstance(value, str):
        return value if len(value) <= SHOWN_CHARACTERS else f"{value[:SHOWN_CHARACTERS]}..."
    if isinstance(value, Mapping):
        return {str(key): _short(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_short(inner) for inner in value[:SHOWN_ENTRIES]]
    plain = _plain(value)
    return _short(plain) if isinstance(plain, list) else plain


def _token_lengths(resolved: ResolvedExperiment, task: Task, items: Sequence[Item]) -> tuple[TokenLengths, ...]:
    """Return the lengths by every tokenizer of the experiment, in the order of its models."""
    groups: dict[str, tuple[ModelConfig, int, list[str]]] = {}
    for system in resolved.systems:
        model, max_length = system.config.model, system.config.train.max_length
        key = f"{model.source} {model.revision} {sorted(model.tokenizer.items())} {max_length}"
        names = groups.setdefault(key, (model, max_length, []))[2]
        if system.model not in names:
            names.append(system.model)
    chosen = sampled(items, inputs_first(task.fields), SAMPLED_CHARACTERS // len(groups))
    request = {
        "task": resolved.systems[0].config.task,
        "options": task.options.model_dump(mode="json"),
        "labels": task.label_space(items),
        "items": chosen,
        "models": [
            {"model": model.model_dump(mode="json"), "max_length": max_length}
            for model, max_length, _ in groups.values()
        ],
    }
    results = _asked(request, len(groups))
    return tuple(
        TokenLengths(tuple(names), max_length, len(chosen), **result)
        for (_, max_length, names), result in zip(groups.values(), results, strict=True)
    )


def _asked(request: Mapping[str, Any], count: int) -> list[dict[str, Any]]:
    """Return what the fresh process says of each model; it may read what is on this machine, and download nothing."""
    offline = {**os.environ, "HF_HUB_OFFLINE": "1"}
    results: list[dict[str, Any]] = []
    try:
        for result in fresh_process.stream("trainables.tools.token_lengths:token_lengths", request, offline):
            results.append(result)
    except ProcessFailed as error:
        results += [{"problem": str(error)}] * (count - len(results))
    return results


def sampled(items: Sequence[Item], fields: Sequence[str], characters: int) -> list[Item]:
    """Return at most SAMPLED_ITEMS of the items, evenly spaced, of about so many `characters` at most; at least one."""
    chosen = _spaced(items, SAMPLED_ITEMS)
    plain = [{name: _plain(item[name]) for name in ("id", *fields) if item.get(name) is not None} for item in chosen]
    total = sum(map(_characters, plain))
    return plain if total <= characters else _spaced(plain, max(1, len(plain) * characters // total))


def _spaced(items: Sequence[Item], count: int) -> list[Item]:
    if len(items) <= count:
        return list(items)
    return [items[index * len(items) // count] for index in range(count)]


def _plain(value: Any) -> Any:
    """Return a value as JSON can hold it: what a data set's own reader may give as NumPy's is a list or a number."""
    if isinstance(value, Mapping):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    if hasattr(value, "tolist"):
        return value.tolist()
    return value if value is None or isinstance(value, str | int | float | bool) else str(value)


def _characters(value: Any) -> int:
    if isinstance(value, Mapping):
        return sum(map(_characters, value.values()))
    if isinstance(value, list | tuple):
        return sum(map(_characters, value))
    return len(value) if isinstance(value, str) else 1
