"""`orchestrate predict`: predicts with a saved run: texts of the command line, items of a file or of a data set."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

from analysis.text.warnings import count_sentences, listed
from orchestrator import html_tables
from orchestrator.errors import CorruptResults, UserError
from orchestrator.storage.find_results import find_run
from trainables.config import DataConfig
from trainables.data.dataset import Item
from trainables.data.load import load_corpus
from trainables.data.unlabelled import GOLD, InputFile, read_inputs
from trainables.modeling.remote_code import HubCode
from trainables.modeling.saved_model import DamagedWeights, NotSaved, exported, fetched, saved_task

if TYPE_CHECKING:
    import pandas as pd

Format = Literal["csv", "jsonl", "parquet"]
FORMATS: tuple[Format, ...] = ("csv", "jsonl", "parquet")


@dataclass(frozen=True)
class PredictionRequest:
    """What to predict: texts, a file, or a data set; `fields` are more fields of every text (e.g. a context).

    A file is read as the run's data were; `format` and `columns` (field -> column) say what differs.
    """

    texts: tuple[str, ...] = ()
    file: str | None = None
    data: str | None = None
    fields: tuple[tuple[str, str], ...] = ()
    limit: int | None = None
    format: str | None = None
    columns: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class AllowedCode:
    """Code that a saved model may run: the Python file of its task, a hub repository at a commit."""

    task: str | None = None
    code: HubCode | None = None


NOTHING = AllowedCode()


@dataclass(frozen=True)
class Predictions:
    """The table of predictions, and the submission file (bytes) if one was asked for.

    `warnings` name the items that were cut off or cannot be answered.
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
    """Parse `OWNER/NAME@COMMIT`. Raises UserError for anything else."""
    try:
        return None if written is None else HubCode.parse(written)
    except ValueError as error:
        raise UserError(f"trust_remote_code {error}") from error


def weights_of(reference: str, where: str | None) -> Path:
    """Return the local folder of a saved model, verified; `reference` is a folder or a run (see `find_run`).

    Raises UserError if there is none, and says how to get it; CorruptResults if it is damaged.
    """
    folder = Path(reference).expanduser()
    try:
        if folder.is_dir():
            return exported(folder)
        store, run_id = find_run(reference, where)
        if not store.has_weights(run_id):
            advice = f"`orchestrate forget {run_id[:8]}`, then run it again with `--set save=best`"
            raise UserError(f"run {run_id} in {store.location} did not save its weights: {advice}")
        return fetched(store.weights(run_id), run_id)
    except DamagedWeights as error:
        raise CorruptResults(str(error)) from error
    except NotSaved as error:
        raise UserError(str(error)) from error


def predict(
    folder: Path, request: PredictionRequest, *, submission: bool = False, allowed: AllowedCode = NOTHING
) -> Predictions:
    """Predict the items of the request. Raises UserError, ModelError or DataError for what cannot be read."""
    from trainables.tools.predictor import Predictor

    predictor = Predictor.load(folder, task=allowed.task, code=allowed.code)
    items, notes = _items(folder, predictor.task.fields, request)
    result = predictor.predict_with_counts(items)
    table, warnings = result.table, (*notes, *_cut_off(result.counts, predictor.max_length), *_blank(result.blank))
    if not submission:
        return Predictions(table, warnings=warnings)
    answered = table[~table["item"].isin(result.blank)]
    content = predictor.task.submission(answered, predictor.labels)
    if isinstance(content, dict):
        return Predictions(table, (json.dumps(content, ensure_ascii=False, indent=1) + "\n").encode(), warnings)
    return Predictions(table, content.to_csv(index=False, lineterminator="\n").encode(), warnings)


def _cut_off(counts: Mapping[str, Mapping[str, int]], max_length: int) -> tuple[str, ...]:
    """Return a sentence per kind of item that was cut off or cannot be answered, with the ids."""
    totals = {name: [sum(own.values())] for name, own in counts.items()}
    sentences = count_sentences(totals, "item", f"train.max_length {max_length}")
    return tuple(f"{text} (id {listed(list(counts[kind]))})" for kind, text in sentences.items())


def _blank(items: Sequence[str]) -> tuple[str, ...]:
    """Return a sentence about the items that hold no text, if there are any."""
    if not items:
        return ()
    sentence = "1 item holds no text and has" if len(items) == 1 else f"{len(items)} items hold no text and have"
    return (f"{sentence} no answer (id {listed(list(items))})",)


def rendered(table: pd.DataFrame, format: Format) -> bytes:
    """Return the table as the bytes of a file."""
    if format == "csv":
        return table.to_csv(index=False, lineterminator="\n").encode()
    if format == "jsonl":
        return table.to_json(orient="records", lines=True, force_ascii=False, double_precision=15).encode()
    stream = io.BytesIO()
    table.to_parquet(stream, index=False, compression="zstd")
    return stream.getvalue()


def check_target(path: str) -> None:
    """Raise UserError if no file can be written there, before anything is computed."""
    target = Path(path)
    if not target.absolute().parent.is_dir():
        raise UserError(f"--to {path}: there is no folder {target.parent}; make it first")
    if target.is_dir():
        raise UserError(f"--to {path}: is a folder; give the name of a file")


def save(path: str, data: bytes) -> None:
    """Write `data` to a file, replacing a file or link of that name. Raises UserError."""
    target = Path(path)
    partial = target.with_name(f".{target.name}.part")
    try:
        partial.write_bytes(data)
        partial.replace(target)
    except OSError as error:
        raise UserError(f"--to {path}: cannot be written: {error.strerror}") from error


def format_of(path: str) -> Format:
    """Return the format of a file's suffix. Raises UserError."""
    suffix = Path(path).suffix.lower().lstrip(".")
    file_format = next((name for name in FORMATS if name == suffix), None)
    if file_format is None:
        raise UserError(f"--to {path}: its name must end with one of {', '.join('.' + name for name in FORMATS)}")
    return file_format


_DATA_FORMATS: tuple[str, ...] = tuple(
    name for option in get_args(DataConfig.model_fields["format"].annotation) for name in get_args(option)
)


def _items(folder: Path, fields: Sequence[str], request: PredictionRequest) -> tuple[Sequence[Item], tuple[str, ...]]:
    """Return the items of the request, and notes about them; `fields` are those that the run's task needs."""
    given = [bool(request.texts), request.file is not None, request.data is not None]
    extra = dict(request.fields)
    if sum(given) > 1 or not (sum(given) or extra):
        raise UserError("say what to predict: TEXT, --file FILE or --data NAME (one of them)")
    file = request.file
    if request.data is not None and not request.data.endswith(".py") and Path(request.data).expanduser().is_file():
        file = request.data
    if file is None and (request.format is not None or request.columns):
        raise UserError("--format and --columns say how a file is read: give it with --file")
    if request.format not in (None, *_DATA_FORMATS):
        raise UserError(f"--format {request.format}: unknown format; known: {', '.join(_DATA_FORMATS)}")
    if file is not None:
        run = DataConfig.model_validate_json(json.dumps(saved_task(folder)["config"]["data"]))
        items, notes = read_inputs(InputFile(file, request.format, dict(request.columns)), run, fields)
        return items[: request.limit], notes
    if request.data is not None:
        is_code = request.data.endswith(".py")
        source: dict[str, Any] = {"path" if Path(request.data).exists() and not is_code else "name": request.data}
        inputs = tuple(name for name in fields if name not in GOLD)
        return load_corpus(DataConfig(**source, limit=request.limit), inputs).items, ()
    return [{**extra, "text": text} for text in request.texts] or [extra], ()
