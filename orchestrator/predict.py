"""`orchestrate predict`: items from the command line, a file or a data set through a saved run, answers into a file."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from orchestrator.errors import CorruptResults, UserError
from orchestrator.places import find_run
from trainables.engine.config import DataConfig
from trainables.engine.corpus import DataError, Item
from trainables.engine.data import load_corpus
from trainables.engine.fields import Columns, sources
from trainables.engine.items import read_items
from trainables.engine.remote_code import HubCode
from trainables.engine.saved import Damaged, NotSaved, exported, fetched, saved_task

if TYPE_CHECKING:
    import pandas as pd

Format = Literal["csv", "jsonl", "parquet"]
FORMATS: tuple[Format, ...] = ("csv", "jsonl", "parquet")


@dataclass(frozen=True)
class Question:
    """What is to be answered: texts, a file, or a data set; `fields` are further fields of every text (a context)."""

    texts: tuple[str, ...] = ()
    file: str | None = None
    data: str | None = None
    fields: tuple[tuple[str, str], ...] = ()
    limit: int | None = None


@dataclass(frozen=True)
class Allowed:
    """Code that a person lets a saved model run: the Python file of its task, a hub repository at a commit."""

    task: str | None = None
    code: HubCode | None = None


NOTHING = Allowed()


@dataclass(frozen=True)
class Answers:
    """The table of predictions, and the submission file (bytes) where one was asked for."""

    table: pd.DataFrame
    submission: bytes | None = None


def weights_of(reference: str, where: str | None) -> Path:
    """The local folder of a saved model, verified: one that a run or `export` wrote, or a run's (see `find_run`).

    Raises UserError where there is none, and says how to get it; CorruptResults for one that is damaged.
    """
    folder = Path(reference).expanduser()
    try:
        if folder.is_dir():
            return exported(folder)
        store, run_id = find_run(reference, where)
        if not store.has_weights(run_id):
            mend = f"`orchestrate forget {run_id[:8]}`, then execute it again with `--set save=best`"
            raise UserError(f"run {run_id} in {store.location} did not save its weights: {mend}")
        return fetched(store.weights(run_id))
    except Damaged as error:
        raise CorruptResults(str(error)) from error
    except NotSaved as error:
        raise UserError(str(error)) from error


def answer(folder: Path, question: Question, *, submission: bool = False, allowed: Allowed = NOTHING) -> Answers:
    """Predict. Raises UserError, ModelError or DataError for what cannot be read."""
    from trainables.engine.predicting import Predictor

    predictor = Predictor.load(folder, task=allowed.task, code=allowed.code)
    table = predictor.predict(_items(folder, question))
    if not submission:
        return Answers(table)
    handed_in = predictor.task.submission(table, predictor.labels)
    if isinstance(handed_in, dict):
        return Answers(table, (json.dumps(handed_in, ensure_ascii=False, indent=1) + "\n").encode())
    return Answers(table, handed_in.to_csv(index=False, lineterminator="\n").encode())


def rendered(table: pd.DataFrame, format: Format) -> bytes:
    """The table as the bytes of a file."""
    if format == "csv":
        return table.to_csv(index=False, lineterminator="\n").encode()
    if format == "jsonl":
        return table.to_json(orient="records", lines=True, force_ascii=False, double_precision=15).encode()
    stream = io.BytesIO()
    table.to_parquet(stream, index=False, compression="zstd")
    return stream.getvalue()


def format_of(path: str) -> Format:
    """The format that a file's name asks for. Raises UserError."""
    ending = Path(path).suffix.lower().lstrip(".")
    found = next((name for name in FORMATS if name == ending), None)
    if found is None:
        raise UserError(f"--to {path}: its name must end with one of {', '.join('.' + name for name in FORMATS)}")
    return found


def _items(folder: Path, question: Question) -> Sequence[Item]:
    given = [bool(question.texts), question.file is not None, question.data is not None]
    extra = dict(question.fields)
    if sum(given) > 1 or not (sum(given) or extra):
        raise UserError("give what is to be predicted: TEXT, --file FILE or --data NAME (one of them)")
    if question.file is not None:
        return read_items(Path(question.file), columns=_columns(folder, question.file))[: question.limit]
    if question.data is not None:
        source: dict[str, Any] = {"path" if Path(question.data).exists() else "name": question.data}
        return load_corpus(DataConfig(**source, limit=question.limit)).items
    return [{**extra, "text": text} for text in question.texts] or [extra]


def _columns(folder: Path, file: str) -> Columns:
    """The mapping of columns that the run's own data was read with, as far as the file has those columns."""
    from trainables.engine.readers import read_rows

    mapping: Columns = saved_task(folder)["config"]["data"]["columns"]
    first = next(iter(read_rows(Path(file))), None)
    if first is None:
        raise DataError(f"{file}: the file holds no rows")
    return {field: column for field, column in mapping.items() if set(sources({field: column})) <= set(first[1])}
