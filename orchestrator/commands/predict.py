"""`orchestrate predict`: items from the command line, a file or a data set through a saved run, answers into a file."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from analysis.text.warnings import count_sentences, listed
from orchestrator import html_tables
from orchestrator.errors import CorruptResults, UserError
from orchestrator.storage.find_results import find_run
from trainables.config import DataConfig
from trainables.data.dataset import DataError, Item
from trainables.data.items import Columns, read_items, sources
from trainables.data.load import load_corpus
from trainables.modeling.remote_code import HubCode
from trainables.modeling.saved_model import DamagedWeights, NotSaved, exported, fetched, saved_task

if TYPE_CHECKING:
    import pandas as pd

Format = Literal["csv", "jsonl", "parquet"]
FORMATS: tuple[Format, ...] = ("csv", "jsonl", "parquet")


@dataclass(frozen=True)
class PredictionRequest:
    """What is to be answered: texts, a file, or a data set; `fields` are further fields of every text (a context)."""

    texts: tuple[str, ...] = ()
    file: str | None = None
    data: str | None = None
    fields: tuple[tuple[str, str], ...] = ()
    limit: int | None = None


@dataclass(frozen=True)
class AllowedCode:
    """Code that a person lets a saved model run: the Python file of its task, a hub repository at a commit."""

    task: str | None = None
    code: HubCode | None = None


NOTHING = AllowedCode()


@dataclass(frozen=True)
class Predictions:
    """The table of predictions, and the submission file (bytes) where one was asked for.

    `warnings` say, and of which items, what the model was not given of them.
    """

    table: pd.DataFrame
    submission: bytes | None = None
    warnings: tuple[str, ...] = ()

    def _repr_html_(self) -> str:
        rows = self.table.head(html_tables.SHOWN).astype(object).to_numpy().tolist()
        return html_tables.table(
            [str(name) for name in self.table], rows, more=len(self.table) - len(rows)
        ) + html_tables.paragraphs(self.warnings)


def hub_code(written: str | None) -> HubCode | None:
    """The code that `OWNER/NAME@COMMIT` names. Raises UserError for anything else."""
    try:
        return None if written is None else HubCode.parse(written)
    except ValueError as error:
        raise UserError(f"trust_remote_code {error}") from error


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
        return fetched(store.weights(run_id), run_id)
    except DamagedWeights as error:
        raise CorruptResults(str(error)) from error
    except NotSaved as error:
        raise UserError(str(error)) from error


def answer(
    folder: Path, question: PredictionRequest, *, submission: bool = False, allowed: AllowedCode = NOTHING
) -> Predictions:
    """Predict. Raises UserError, ModelError or DataError for what cannot be read."""
    from trainables.tools.predictor import Predictor

    predictor = Predictor.load(folder, task=allowed.task, code=allowed.code)
    answered = predictor.answered(_items(folder, question))
    table, warnings = answered.table, _cut_off(answered.counts, predictor.max_length)
    if not submission:
        return Predictions(table, warnings=warnings)
    handed_in = predictor.task.submission(table, predictor.labels)
    if isinstance(handed_in, dict):
        return Predictions(table, (json.dumps(handed_in, ensure_ascii=False, indent=1) + "\n").encode(), warnings)
    return Predictions(table, handed_in.to_csv(index=False, lineterminator="\n").encode(), warnings)


def _cut_off(counts: Mapping[str, Mapping[str, int]], max_length: int) -> tuple[str, ...]:
    """What was cut off or cannot be answered, a sentence a kind, and the ids of the items."""
    totals = {name: [sum(own.values())] for name, own in counts.items()}
    found = count_sentences(totals, "item", f"train.max_length {max_length}")
    return tuple(f"{text} (id {listed(list(counts[kind]))})" for kind, text in found.items())


def rendered(table: pd.DataFrame, format: Format) -> bytes:
    """The table as the bytes of a file."""
    if format == "csv":
        return table.to_csv(index=False, lineterminator="\n").encode()
    if format == "jsonl":
        return table.to_json(orient="records", lines=True, force_ascii=False, double_precision=15).encode()
    stream = io.BytesIO()
    table.to_parquet(stream, index=False, compression="zstd")
    return stream.getvalue()


def check_target(path: str) -> None:
    """Raise UserError where no file can be written, before anything is computed."""
    place = Path(path)
    if not place.absolute().parent.is_dir():
        raise UserError(f"--to {path}: there is no folder {place.parent}; make it first")
    if place.is_dir():
        raise UserError(f"--to {path}: is a folder; give the name of a file")


def save(path: str, data: bytes) -> None:
    """Put `data` in place of a file, or of a link that has its name. Raises UserError."""
    place = Path(path)
    half = place.with_name(f".{place.name}.part")
    try:
        half.write_bytes(data)
        half.replace(place)
    except OSError as error:
        raise UserError(f"--to {path}: cannot be written: {error.strerror}") from error


def format_of(path: str) -> Format:
    """The format that a file's name asks for. Raises UserError."""
    ending = Path(path).suffix.lower().lstrip(".")
    found = next((name for name in FORMATS if name == ending), None)
    if found is None:
        raise UserError(f"--to {path}: its name must end with one of {', '.join('.' + name for name in FORMATS)}")
    return found


def _items(folder: Path, question: PredictionRequest) -> Sequence[Item]:
    given = [bool(question.texts), question.file is not None, question.data is not None]
    extra = dict(question.fields)
    if sum(given) > 1 or not (sum(given) or extra):
        raise UserError("give what is to be predicted: TEXT, --file FILE or --data NAME (one of them)")
    if question.file is not None:
        return read_items(Path(question.file), columns=_columns(folder, question.file))[: question.limit]
    if question.data is not None:
        is_code = question.data.endswith(".py")
        source: dict[str, Any] = {"path" if Path(question.data).exists() and not is_code else "name": question.data}
        return load_corpus(DataConfig(**source, limit=question.limit)).items
    return [{**extra, "text": text} for text in question.texts] or [extra]


def _columns(folder: Path, file: str) -> Columns:
    """The mapping of columns that the run's own data was read with, as far as the file has those columns."""
    from trainables.data.readers import read_rows

    mapping: Columns = saved_task(folder)["config"].get("data", {}).get("columns", {})
    first = next(iter(read_rows(Path(file))), None)
    if first is None:
        raise DataError(f"{file}: the file holds no rows")
    return {field: column for field, column in mapping.items() if set(sources({field: column})) <= set(first[1])}
