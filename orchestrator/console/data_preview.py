"""Shows how the data was read: files, columns, labels, the first item as a model sees it, and lengths in tokens."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from orchestrator.commands.init import Started
    from orchestrator.config.data_check import DataFacts
    from orchestrator.config.data_preview import DataPreview, FileRead, TokenLengths

MOST_LABELS, MOST_FILES, MOST_WORDS = 10, 5, 20
MOST_CHARACTERS, AROUND_ANSWER = 160, 60
_NAMED = {"\t": "tabs", " ": "blanks", ",": "commas", ";": "semicolons", "|": "vertical bars"}

Line = list[str]


def preview_lines(data: DataPreview) -> list[Line]:
    """Return what was read as lines of a key and a text; a line that goes on has an empty key."""
    lines = [*_files(data), *_keyed("columns", _columns(data.files))]
    if data.parts:
        lines.append(["parts", ", ".join(f"{number:,} {name}" for name, number in data.parts.items())])
    if data.labels:
        lines.append(["labels", _labels(data.labels)])
    lines += _keyed("first item", item_lines(data.first_items[0]))
    return lines + _keyed("tokens", _tokens(data))


def facts_line(facts: DataFacts) -> Line:
    """Return the size of the data and of its parts."""
    sizes = f"{facts.items} items, {facts.labels} labels"
    clusters = f", clusters {facts.clusters}" if facts.clusters else ""
    return ["data", f"{sizes}; {facts.train_items} train, {facts.evaluation_items} evaluate{clusters}"]


def preview_text(facts: DataFacts, data: DataPreview) -> str:
    """Return the same as text, one line each, for a command whose result is something else."""
    lines = [facts_line(facts), *preview_lines(data)]
    return "\n".join(f"{key:<12}{' '.join(text.split())}".rstrip() for key, text in lines)


def started_text(started: Started) -> str:
    """Return which file was written, what it takes the data for, how that is read, and what to do next."""
    alternative = started.alternative
    lines = [f"{'wrote':<12}{started.file}", f"{'task':<12}{started.task}: {started.guess.why}"]
    if alternative is not None:
        lines.append(f"{'or':<12}{started.other_task}: {alternative.why} (--task {started.other_task})")
    file = shlex.quote(started.file)
    follow = f"{'next':<12}orchestrate plan {file}, then orchestrate sweep {file}"
    return "\n".join([*lines, preview_text(started.facts, started.data), follow])


def started_document(started: Started) -> dict[str, Any]:
    """Return the same for `--json`."""
    alternative = started.alternative
    return {
        "file": started.file,
        "task": started.task,
        "why": started.guess.why,
        "alternative": None if alternative is None else {"task": started.other_task, "why": alternative.why},
        "data": data_document(started.facts, started.data),
    }


def data_document(facts: DataFacts, data: DataPreview | None) -> dict[str, Any]:
    """Return what is known about the data, and how it was read if that was asked for, for `--json`."""
    return {**asdict(facts), **({} if data is None else data.document())}


def _keyed(key: str, texts: Sequence[str]) -> list[Line]:
    return [["" if number else key, text] for number, text in enumerate(texts)]


def _files(data: DataPreview) -> list[Line]:
    """Return how the files were read, those that were read alike in one line, and the remarks on each."""
    if not data.files:
        return [["read", f"{data.source}, by the data set's own reader"]]
    alike: dict[str, list[FileRead]] = {}
    for file in data.files:
        alike.setdefault(_form(file), []).append(file)
    texts = []
    for form, files in alike.items():
        more = f" and {len(files) - MOST_FILES} more" if len(files) > MOST_FILES else ""
        texts.append(f"{', '.join(file.path for file in files[:MOST_FILES])}{more} as {form}")
    remarks = list(dict.fromkeys(remark for file in data.files for remark in file.remarks))
    return [*_keyed("read", texts), *(["", remark] for remark in remarks)]


def _form(file: FileRead) -> str:
    details = []
    if file.delimiter is not None:
        details.append(f"cells separated by {_NAMED.get(file.delimiter, repr(file.delimiter))}")
    if file.quoting is not None and (file.format, file.quoting) != ("csv", "csv"):
        details.append("quotes enclose cells" if file.quoting == "csv" else "quotes are text")
    if file.header is False:
        details.append("no header")
    if file.encoding is not None:
        details.append(file.encoding)
    return f"{file.format} ({', '.join(details)})" if details else file.format


def _columns(files: Sequence[FileRead]) -> list[str]:
    """Return from which column each field comes, once for all files that have the same ones."""
    texts = [", ".join(_column(*pair) for pair in sorted(file.columns.items(), key=_is_label)) for file in files]
    return [text for text in dict.fromkeys(texts) if text]


def _column(field: str, column: str) -> str:
    return field if field == column else f"{field} <- {column}"


def _is_label(pair: tuple[str, str]) -> bool:
    """Return whether this is the label, which stands behind both texts of a pair."""
    return pair[0] == "label"


def _labels(labels: Mapping[str, int]) -> str:
    shown = ", ".join(f"{_name(label)} {number:,}" for label, number in list(labels.items())[:MOST_LABELS])
    return shown + (f", ... and {len(labels) - MOST_LABELS:,} more" if len(labels) > MOST_LABELS else "")


def _name(label: str) -> str:
    """Return a label, in quotes where it would be misread without them."""
    return label if label == label.strip() and label.isprintable() and label and "," not in label else repr(label)


def item_lines(item: Mapping[str, Any]) -> list[str]:
    """Return an item for a person: words with their labels, a question with its marked answer, or its fields."""
    if isinstance(item.get("words"), list):
        return [_words(item["words"], item.get("labels"))]
    if isinstance(item.get("answers"), Mapping) and isinstance(item.get("context"), str):
        return [f"question: {_cut(str(item.get('question')))}", f"context: {_marked(item['context'], item['answers'])}"]
    return [f"{name}: {_value(value)}" for name, value in item.items() if name not in ("id", "cluster")]


def _words(words: Sequence[str], labels: Any) -> str:
    marks = [f"|{label}" for label in labels] if isinstance(labels, list) else [""] * len(words)
    pairs = [f"{word}{mark}" for word, mark in zip(words, marks, strict=False)]
    more = f" ... and {len(pairs) - MOST_WORDS} more words" if len(pairs) > MOST_WORDS else ""
    return f"{' '.join(pairs[:MOST_WORDS])}{more}"


def _marked(context: str, answers: Mapping[str, Any]) -> str:
    """Return the context around the first answer, which stands in [[ ]]."""
    texts, starts = answers.get("text") or [], answers.get("answer_start") or []
    if not texts or not starts:
        return f"{_cut(context)} (no answer)"
    start, end = int(starts[0]), int(starts[0]) + len(texts[0])
    before, after = context[max(0, start - AROUND_ANSWER) : start], context[end : end + AROUND_ANSWER]
    left, right = "..." * (start > AROUND_ANSWER), "..." * (end + AROUND_ANSWER < len(context))
    return f"{left}{before}[[{_cut(texts[0])}]]{after}{right}"


def _value(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "none"
    return _cut(str(value))


def _cut(text: str) -> str:
    return text if len(text) <= MOST_CHARACTERS else f"{text[:MOST_CHARACTERS]}..."


def _tokens(data: DataPreview) -> list[str]:
    """Return a line for each tokenizer that could be used, and one for all that could not for the same reason."""
    unknown: dict[str, list[str]] = {}
    for entry in data.tokens:
        if entry.problem is not None:
            unknown.setdefault(entry.problem, []).extend(entry.models)
    texts = [_lengths(entry, data.items) for entry in data.tokens if entry.problem is None]
    return [*texts, *(f"{', '.join(models)}: unknown: {problem}" for problem, models in unknown.items())]


def _lengths(entry: TokenLengths, items: int) -> str:
    sample = "" if entry.items == items else f" in a sample of {entry.items:,} items"
    cut = "no item is cut" if not entry.cut_items else f"{entry.cut_items:,} of {entry.items:,} items are cut"
    numbers = f"median {entry.p50}, 95% up to {entry.p95}, longest {entry.max}{sample}"
    return f"{', '.join(entry.models)}: {numbers}; {cut} at max_length {entry.max_length}"
