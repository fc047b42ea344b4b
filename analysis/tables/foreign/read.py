"""Reads files and folders of other tools as runs: finds out what each is, and keeps its notes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pandas as pd

from analysis.tables.folder import Folder
from analysis.tables.foreign import across
from analysis.tables.foreign.runs import runs_of
from analysis.tables.foreign.sources import excel, inspect_log, json_file, lm_eval, trainer
from analysis.tables.foreign.table import Columns, Refused, Table, as_text
from analysis.tables.foreign.text_file import read_text
from analysis.tables.results_directory import SourceResults
from analysis.tables.schema import EPOCHS, Corrupt, read_parquet

TEXTS, WORKBOOKS, JSONS = (".csv", ".tsv", ".txt"), (".xlsx", ".xlsm"), (".json", ".jsonl")
SUFFIXES = (*TEXTS, ".parquet", *WORKBOOKS, *JSONS, ".eval")
_IN_FOLDERS = (".csv", ".tsv", ".parquet", ".xlsx")
_REMEDIES = {
    ".xls": "save it as .xlsx or CSV",
    ".ods": "save it as .xlsx or CSV",
    ".numbers": "export it as CSV",
    ".gz": "unpack it",
    ".zip": "unpack it",
    ".pkl": "write it as CSV or Parquet: a pickle can run code and is never opened",
    ".pickle": "write it as CSV or Parquet: a pickle can run code and is never opened",
}


def read_file(folder: Folder, columns: Columns, named_by: str | None = None) -> SourceResults:
    """Read the runs of one file. `named_by` is the system that it stands for if none of its columns is one.

    Raises Refused for another kind of file, and for one that cannot be read without guessing.
    """
    label, suffix = folder.label(), suffix_of(folder.path)
    if suffix not in SUFFIXES:
        remedy = _REMEDIES.get(suffix, "save the runs as CSV")
        raise Refused(f"{label}: is neither a results directory nor one of {', '.join(SUFFIXES)}; {remedy}")
    if suffix == ".jsonl" and folder.path.rpartition("/")[2].startswith("samples_"):
        tables = _of_samples(folder)
    else:
        tables = _tables(folder.content(), label, suffix, folder.path)
    return _joined(label, [_named(table, named_by) for table in tables], columns)


def read_folder(folder: Folder, columns: Columns) -> SourceResults | None:
    """Read a folder of results: of lm-eval, of Inspect, of the Trainer, or of tables; None if it holds none of these.

    Folders that an analysis wrote are left out.
    """
    names = folder.files()
    written = tuple(name.removesuffix("report.html") for name in names if name.endswith("/report.html"))
    names = [name for name in names if not name.startswith(written)]
    for kind in (_of_lm_eval, _of_inspect, _of_trainer, _of_files):
        tables = kind(folder, names)
        if tables:
            return _joined(folder.label(), tables, columns)
    return None


def is_known_folder(folder: Folder) -> bool:
    """Return whether a file in the folder has a name that lm-eval, Inspect or the Trainer gives it."""
    names = [name.rpartition("/")[2] for name in folder.files()]
    return any(
        name in (trainer.RESULTS, trainer.STATE) or name.endswith(".eval") or lm_eval.run_of(name) is not None
        for name in names
    )


def suffix_of(path: str) -> str:
    """Return the end of a file's name from its last dot, in lower case; empty without a dot."""
    name = path.replace("\\", "/").rpartition("/")[2]
    return f".{name.rpartition('.')[2].lower()}" if "." in name else ""


def stem_of(path: str) -> str:
    """Return a file's name without its ending."""
    name = path.replace("\\", "/").rpartition("/")[2]
    return name.rpartition(".")[0] or name


def _named(table: Table, named_by: str | None) -> Table:
    return replace(table, named_by=named_by) if named_by else table


def _tables(data: bytes, label: str, suffix: str, path: str) -> list[Table]:
    if suffix == ".parquet":
        return [_of_parquet(data, label)]
    if suffix in WORKBOOKS:
        return excel.read_excel(data, label)
    if suffix == ".eval":
        return inspect_log.tables([(inspect_log.unpacked(data, label), label)], label)
    if suffix in JSONS:
        return json_file.read_json(data, label, path)
    return [read_text(data, label, suffix)]


def _of_parquet(data: bytes, label: str) -> Table:
    try:
        frame: pd.DataFrame = read_parquet(data, name=label).to_pandas()
    except Corrupt as error:
        raise Refused(f"{error}; write the table again, or as CSV") from None
    if frame.empty:
        raise Refused(f"{label}: holds no runs")
    cells = {str(name): [as_text(value) for value in column.astype(object)] for name, column in frame.items()}
    return Table(label, pd.DataFrame(cells, dtype=object))


def _joined(label: str, tables: Sequence[Table], columns: Columns) -> SourceResults:
    parts = [runs_of(table, columns) for table in tables]
    across.refuse_pooled([(table.label, part.runs) for table, part in zip(tables, parts, strict=True)], columns.ignore)
    warnings = list(dict.fromkeys(warning for part in parts for warning in part.warnings))
    runs = pd.concat([part.runs for part in parts], ignore_index=True)
    filled = [part.predictions for part in parts if not part.predictions.empty]
    predictions = pd.concat(filled, ignore_index=True) if filled else parts[0].predictions
    return SourceResults(label, runs, EPOCHS.empty_table().to_pandas(), predictions, warnings=warnings)


def _of_lm_eval(folder: Folder, names: Sequence[str]) -> list[Table]:
    results, samples = {}, {}
    for name in names:
        file = name.rpartition("/")[2]
        if file.startswith("results") and file.endswith(".json"):
            content = json_file.parse(folder.read(name), folder.label(name))
            if lm_eval.is_results(content):
                results[name] = content
        elif file.startswith("samples_") and file.endswith(".jsonl"):
            samples[name] = json_file.parse(folder.read(name), folder.label(name), by_line=True)
    by_run = {_run(name): content for name, content in results.items()}
    below = f"{folder.path.rpartition('/')[2]}/"
    tables = [
        lm_eval.of_samples(content, folder.label(name), below + name, by_run.get(_run(name)))
        for name, content in samples.items()
    ]
    sampled = {_run(name) for name in samples}
    tables += [
        lm_eval.of_results(content, folder.label(name), below + name)
        for name, content in results.items()
        if _run(name) not in sampled
    ]
    return _stacked(tables, folder.label())


def _of_samples(folder: Folder) -> list[Table]:
    """Read one samples file of lm-eval, with the results file of the same run beside it, which names the model."""
    above, _, name = folder.path.rpartition("/")
    written = (folder.written.rpartition("/")[0] or ".") if folder.written else ""
    parent = replace(folder, path=above, written=written)
    results = [
        other for other in parent.file_names() if other != name and lm_eval.run_of(other) == lm_eval.run_of(name)
    ]
    tables = _of_lm_eval(parent, [name, *results])
    return [replace(table, label=folder.label(), kind=lm_eval.KIND_OF_SAMPLES) for table in tables]


def _run(name: str) -> tuple[str, str | None]:
    return name.rpartition("/")[0], lm_eval.run_of(name)


def _stacked(tables: Sequence[Table], label: str) -> list[Table]:
    """Return the tables as one, so that their rows are checked against each other."""
    if not tables:
        return []
    cells = pd.concat([table.cells for table in tables], ignore_index=True).astype(object)
    kinds = " and ".join(dict.fromkeys(str(table.kind) for table in tables))
    return [Table(label, cells.where(cells.notna(), None), kind=f"{kinds} ({len(tables)} files)")]


def _of_inspect(folder: Folder, names: Sequence[str]) -> list[Table]:
    logs = []
    for name in names:
        label = folder.label(name)
        if name.endswith(".eval"):
            logs.append((inspect_log.unpacked(folder.read(name), label), label))
        elif name.endswith(".json") and b'"eval"' in (data := folder.read(name)):
            content = json_file.parse(data, label)
            if inspect_log.is_log(content):
                logs.append((content, label))
    return inspect_log.tables(logs, folder.label()) if logs else []


def _of_trainer(folder: Folder, names: Sequence[str]) -> list[Table]:
    files = trainer.files_of(names)
    if not files:
        return []
    contents = {name: json_file.parse(folder.read(name), folder.label(name)) for name in files}
    return [trainer.table(contents, folder.label())]


def _of_files(folder: Folder, names: Sequence[str]) -> list[Table]:
    """Return the tables directly in the folder; a file without a column of systems stands for one."""
    files = [name for name in names if "/" not in name and suffix_of(name) in _IN_FOLDERS]
    tables = []
    for name in files:
        own = _tables(folder.read(name), folder.label(name), suffix_of(name), name)
        tables += [_named(table, stem_of(name) if len(files) > 1 else None) for table in own]
    return tables
