"""`orchestrate init`: looks at a data file and writes an experiment file for it, which `validate` accepts.

Each guess (`trainables/data/guess.py`) is tried as a sweep would: the whole file is read, checked and split. So what is
written works, and what could not be used is said with its reason.
"""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orchestrator.config import load, yaml_file
from orchestrator.config.data_check import DataFacts
from orchestrator.config.data_preview import DataPreview, look_at_data
from orchestrator.config.experiment import MAXIMUM_LENGTH
from orchestrator.config.loaded import Loaded
from orchestrator.config.resolve import resolve
from orchestrator.errors import InvalidExperiment, UserError
from trainables import models, registry
from trainables.data import guess
from trainables.data.dataset import DataError
from trainables.data.guess import Guess, Seen
from trainables.data.sources.part_names import PARTS, parts_of, word_of

PACKAGED, FROM_HUB = ("minilm-l6", "minilm-l3"), ("distilbert-base-uncased", "bert-base-uncased")
SEEDS = "1-6"  # the fewest that can decide one comparison at 0.05
WIDEST = 50  # characters before a comment that is in line with the others
TASKS = {
    guess.CLASSES: "sequence_classification",
    guess.LABELS: "multi_label_classification",
    guess.WORDS: "token_classification",
    guess.QUESTIONS: "question_answering",
}
_QUESTIONS = {
    guess.WORDS: "Which encoder labels the words of {} best?",
    guess.CLASSES: "Which encoder classifies the texts of {} best?",
    guess.LABELS: "Which encoder finds the labels of the texts of {} best?",
    guess.QUESTIONS: "Which encoder answers the questions of {} best?",
}


@dataclass(frozen=True)
class Started:
    """The experiment file that was written, what it takes the data for, and how the data is read."""

    file: str
    guess: Guess
    alternative: Guess | None
    facts: DataFacts
    data: DataPreview

    @property
    def task(self) -> str:
        """The task that the file names."""
        return TASKS[self.guess.fields]

    @property
    def other_task(self) -> str | None:
        """The task of the alternative, if there is one."""
        return None if self.alternative is None else TASKS[self.alternative.fields]


@dataclass(frozen=True)
class _Usable:
    """A guess that can be used, and what the data check said with the first of the usual lengths."""

    guess: Guess
    facts: DataFacts
    data: DataPreview


def start(data: Sequence[str], task: str | None = None, to: str | None = None) -> Started:
    """Write the experiment file `to` (by default named after the data, in this folder) for these files, or one folder.

    Several files are the parts that their names say (train, dev, test), or one pool. `task` says what the data is for;
    otherwise the columns decide. Raises UserError if the file is there already, or if no task fits the data, with what
    was seen and what is needed; DataError for data that cannot be read.
    """
    paths = tuple(Path(path).expanduser() for path in data)
    target = Path(to).expanduser() if to else Path(f"{_name(paths)}.yaml")
    _require_free(target)
    if task is not None and task not in TASKS.values():
        known = ", ".join(TASKS.values())
        raise UserError(f"--task: init writes files for {known}; for {task!r}, change `task` in one of these files")
    seen = guess.look(representative(paths))
    usable, refused = _usable(paths, target, seen, task)
    if not usable:
        raise UserError(_nothing_fits(paths, seen, task, refused))
    chosen, *others = usable
    alternative = others[0].guess if others else None
    draft = _Draft(paths, target, seen, chosen.guess, alternative, tuple(chosen.data.parts))
    text = _text(draft, _length(chosen))
    facts, read = _checked(text, target)
    _write(target, text)
    return Started(str(target), chosen.guess, alternative, facts, read)


def representative(paths: Sequence[Path]) -> Path:
    """Return the first file; of a folder, its first training file, or else its first file of a known format."""
    path = paths[0]
    if not path.is_dir():
        return path
    files = sorted(file for file in path.rglob("*") if file.is_file() and not file.name.startswith("."))
    known = [file for file in files if guess.is_readable(file)]
    if not known:
        raise UserError(f"{path}: the folder holds no data file; give one in JSON, CSV, TSV, Parquet or CoNLL")
    return next((file for file in known if "train" in file.name.lower()), known[0])


def _require_free(target: Path) -> None:
    if target.suffix.lower() not in load.SUFFIXES:
        raise UserError(f"--to: {target} is no name for an experiment file; let it end with .yaml")
    if target.exists() or target.is_symlink():
        raise UserError(f"{target} is there already and is not overwritten; choose another name with --to")
    if not target.absolute().parent.is_dir():
        raise UserError(f"--to: there is no folder {target.absolute().parent}")


def _write(target: Path, text: str) -> None:
    try:
        with target.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError as error:
        raise UserError(f"{target} is there already and is not overwritten; choose another name with --to") from error


def _usable(
    paths: tuple[Path, ...], target: Path, seen: Seen, task: str | None
) -> tuple[list[_Usable], dict[str, str]]:
    """Return the first two guesses that can be used, and why others cannot."""
    usable: list[_Usable] = []
    refused: dict[str, str] = {}
    for one in guess.guesses(seen):
        if task in (None, TASKS[one.fields]) and len(usable) < 2:
            draft = _text(_Draft(paths, target, seen, one), _lengths(one)[0])
            try:
                usable.append(_Usable(one, *_checked(draft, target)))
            except DataError as error:
                refused.setdefault(TASKS[one.fields], str(error))
            except InvalidExperiment as error:
                refused.setdefault(TASKS[one.fields], "; ".join(problem.message for problem in error.problems))
    return usable, refused


def _checked(text: str, target: Path) -> tuple[DataFacts, DataPreview]:
    """Read and check the data of an experiment that is not written yet. Raises DataError and InvalidExperiment."""
    document = yaml_file.parse(text, str(target))
    loaded = Loaded(load.validate(document), document, target.absolute().parent)
    facts, data = look_at_data(resolve(loaded, must_be_available=False))
    assert data is not None
    return facts, data


def _lengths(one: Guess) -> tuple[int, ...]:
    """Return the usual values of `max_length`, the first for data of unknown length; a window has to hold a stride."""
    return (384, 512) if one.fields == guess.QUESTIONS else (128, 64, 256, 512)


def _length(usable: _Usable) -> int:
    """Return the smallest usual `max_length` that cuts at most one item in twenty."""
    lengths = _lengths(usable.guess)
    known = [entry.p95 for entry in usable.data.tokens if entry.p95 is not None]
    needed = max(known, default=lengths[0])
    return next((length for length in sorted(lengths) if length >= needed), max(lengths))


@dataclass(frozen=True)
class _Draft:
    """What an experiment file is written from. `parts` are those that the data brings."""

    paths: tuple[Path, ...]
    target: Path
    seen: Seen
    guess: Guess
    alternative: Guess | None = None
    parts: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        """What the data is called in sentences."""
        return self.paths[0].name if len(self.paths) == 1 else _name(self.paths)


def _text(draft: _Draft, max_length: int) -> str:
    """Return the experiment file as text, with a comment for what a person decides next."""
    task = registry.load("task", TASKS[draft.guess.fields])
    file = shlex.quote(str(draft.target))
    other = draft.alternative
    lines = [
        (_line(experiment=_name(draft.paths)), ""),
        (_line(question=_QUESTIONS[draft.guess.fields].format(draft.label)), ""),
        (f"task: {task.name}", draft.guess.why),
        *(
            []
            if other is None
            else [(f"# task: {TASKS[other.fields]}", f"if it is that: {other.why}{_columns(other)}")]
        ),
        *_data(draft),
        _split(draft.parts),
        (f"models: [{', '.join(_models())}]", "`orchestrate list models`, hub ids (owner/name), or folders"),
        ("recipes: {default: {length_bucketing: {}}}", "`orchestrate list variants`"),
        (f"seeds: {SEEDS}", "six are the fewest that can decide between two systems"),
        (f"train: {{epochs: 3, batch_size: 16, learning_rate: 1e-4, max_length: {max_length}}}", ""),
        (f"compare: {{metric: {task.primary_metric}, alpha: 0.05}}", f"or {', '.join(task.metrics[1:4])}"),
    ]
    width = max(len(code) for code, comment in lines if comment and len(code) <= WIDEST) + 2
    body = [f"{code:<{width}}# {_printable(comment)}" if comment else code for code, comment in lines]
    head = f"# Written by `orchestrate init` for {_printable(draft.label)}; check and run it with"
    verbs = ", ".join(f"orchestrate {verb} {_printable(file)}" for verb in ("validate", "plan", "sweep"))
    return "\n".join([head, f"# {verbs}", "", *body, ""])


def _data(draft: _Draft) -> list[tuple[str, str]]:
    """Return the lines of `data`: where it is, its columns, and those that may be of use."""
    columns = {name: list(given) if isinstance(given, tuple) else given for name, given in draft.guess.columns.items()}
    lines = [("data:", ""), *((f"  {_line(**{key: place})}", "") for key, place in _places(draft).items())]
    if not draft.seen.has_header:
        lines.append((f"  {_line(header=False)}", "the first row looks like an item, so columns have numbers"))
    if guess.has_hidden(draft.seen, draft.guess):
        lines.append((f"  {_line(drop_labels=[guess.HIDDEN])}", "items without an agreed label are left out"))
    if columns:
        lines += [("  columns:", ""), *((f"    {_line(**{name: column})}", "") for name, column in columns.items())]
    for name, column, why in _offered(draft.seen, draft.guess):
        line = _line(**{name: column})
        lines.append((f"    # {line}" if columns else f"  # columns: {{{line}}}", why))
    return lines


def _places(draft: _Draft) -> dict[str, Any]:
    """Return the keys that say where the data is, and which column says the parts; paths start at the file's folder."""
    folder = draft.target.absolute().parent
    places = [Path(os.path.relpath(path.absolute(), folder)).as_posix() for path in draft.paths]
    if len(places) == 1:
        column = guess.split_column(draft.seen, guess.columns_of(draft.guess))
        return {"path": places[0]} | ({} if column is None else {"split_column": column})
    meant = parts_of([word_of(path.name.split(".")[0]) for path in draft.paths])
    named = [meant[word_of(path.name.split(".")[0])] for path in draft.paths]
    if "train" not in named or None in named:
        return {"path": places}
    files = {part: [place for place, own in zip(places, named, strict=True) if own == part] for part in PARTS}
    return {part: own[0] if len(own) == 1 else own for part, own in files.items() if own}


def _split(parts: Sequence[str]) -> tuple[str, str]:
    if not parts:
        return "split: {validation: 0.2, seed: 42}", "seed: run draws a new split with every run's seed"
    return "split: {seed: 42}", f"the data's own parts are used: {', '.join(parts)}"


def _offered(seen: Seen, one: Guess) -> list[tuple[str, str, str]]:
    """Return fields that the file may have as well: name, column, and what taking it does."""
    if seen.format.startswith("conll"):
        return []
    cluster, identity = guess.cluster_column(seen, guess.columns_of(one)), guess.id_column(seen)
    belong = f"if items with the same {cluster} belong together: no split divides them"
    named = [("cluster", cluster, belong), ("id", identity, "names the items in the predictions")]
    return [(name, column, why) for name, column, why in named if column is not None]


def _line(**content: Any) -> str:
    """Return one key with its value as YAML on one line, as it stands outside of braces."""
    text = yaml_file.dump({**content, "end": []}, width=float("inf"))  # a list keeps the braces away
    return text.rpartition("\nend:")[0]


def _printable(text: str) -> str:
    """Return the text without line ends and control characters, which no comment may hold."""
    return "".join(char if char.isprintable() else "?" for char in " ".join(text.split()))


def _columns(one: Guess) -> str:
    shown = (f"{name}: {given if isinstance(given, str) else list(given)}" for name, given in one.columns.items())
    return f"; columns: {{{', '.join(shown)}}}" if one.columns else ""


def _models() -> tuple[str, ...]:
    """Return two small presets: those that come as a package where it is installed, else two of the hub."""
    try:
        models.resolve(PACKAGED[0])
    except ValueError:
        return FROM_HUB
    return PACKAGED


def _name(paths: Sequence[Path]) -> str:
    """Return a name for the experiment: that of the file or folder, or of the folder of several files; plain only."""
    path = paths[0].absolute() if len(paths) == 1 else paths[0].absolute().parent
    stem = path.name.split(".")[0] if path.is_file() else path.name
    plain = re.sub(r"[^A-Za-z0-9_+-]+", "-", stem).strip("-+")
    return plain[:MAXIMUM_LENGTH] or "experiment"


def _nothing_fits(paths: Sequence[Path], seen: Seen, task: str | None, refused: Mapping[str, str]) -> str:
    """Say what the file holds, why it fits no task, and what a task needs."""
    columns = ", ".join(map(repr, list(seen.columns)[:20])) or "none"
    asked = "no task fits it" if task is None else f"it does not fit {task}"
    lines = [f"{paths[0]}: {asked}; read as {seen.format}, it has the columns {columns}"]
    lines += [f"  {name} would fit by its columns, but: {reason}" for name, reason in refused.items()]
    needed = {TASKS[fields]: what for fields, what in guess.NEEDED.items() if task in (None, TASKS[fields])}
    lines += [f"  {name} needs {what}" for name, what in needed.items() if name not in refused]
    return "\n".join(
        [*lines, "rename the columns, or write the experiment file by hand and map them with data.columns"]
    )
