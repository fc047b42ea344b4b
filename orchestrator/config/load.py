"""Finds an experiment by the name of a built-in one or by the path of a file, and reads it."""

from __future__ import annotations

import re
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path

from analysis.tables.experiment_file import EXPERIMENT, MARK, says_how
from analysis.yaml_text import plain_or_old_text
from orchestrator.config import yaml_file
from orchestrator.config.error_messages import unknown_names
from orchestrator.config.experiment import Experiment
from orchestrator.config.key_names import suggestion
from orchestrator.config.loaded import Loaded
from orchestrator.config.overrides import Changes
from orchestrator.config.validation import validated
from orchestrator.config.yaml_file import Document
from orchestrator.errors import InvalidExperiment, UserError

NO_CHANGES = Changes()
SUFFIXES = (".yaml", ".yml")
_RUN_ID = re.compile(r"[0-9a-f]{16}")


def load(
    name_or_path: str, changes: Changes = NO_CHANGES, *, run_code: bool = False, file_only: bool = False
) -> Loaded:
    """Read an experiment and apply the command line's changes. Raises UserError, with every problem.

    Relative paths in a file start at the file's folder; in a built-in experiment, at the working directory. `run_code`
    lets the file of a results directory run the code that it names. With `file_only`, the problems are those of the
    file itself, and not of the data and models that it names.
    """
    document, folder, is_own = _read(name_or_path)
    document = changes.apply(document)
    return Loaded(validate(document, None if file_only else folder), document, folder, is_own or run_code)


def is_results(folder: Path) -> bool:
    """Return whether a sweep wrote to this folder."""
    return (folder / "cells.json").is_file() or (folder / "runs").is_dir()


def validate(document: Document, folder: Path | None = None) -> Experiment:
    """Return the experiment that a document describes. Raises InvalidExperiment with every problem of every key.

    If there are problems and `folder` is given, where relative paths start, they include those of the names, models and
    data that the document names, as far as these can be looked up without running code or asking a hub.
    """
    result = validated(document)
    if result.experiment is not None and not result.problems:
        return result.experiment
    if result.experiment is None or folder is None:
        raise InvalidExperiment(document.source, [*result.problems, *unknown_names(document)])
    from orchestrator.config.look import remaining_problems  # heavy, and only needed here

    raise InvalidExperiment(document.source, [*result.problems, *remaining_problems(result, document, folder)])


def came_with_results(path: Path) -> bool:
    """Return whether a sweep wrote this file, or it (or the target of a link) lies in a results directory."""
    ends = {path.absolute(), path.resolve()}
    if any(is_swept(folder) for end in ends for folder in end.parents):
        return True
    try:
        with path.open("rb") as stream:
            return stream.readline().strip() == MARK.strip()
    except OSError:
        return False


def is_swept(folder: Path) -> bool:
    """Return whether a folder has what only a sweep writes; `runs/` alone is a common name."""
    runs = folder / "runs"
    return (folder / "cells.json").is_file() or (
        runs.is_dir() and any(_RUN_ID.fullmatch(entry.name) for entry in runs.iterdir())
    )


def _document(path: Path, source: str) -> Document:
    """Read a file; one that an old sweep wrote without saying how to read it keeps its old meaning.

    There, what is a number only in YAML 1.2 was text (`analysis/tables/experiment_file.py`). If that is not a valid
    experiment, someone has edited the file since, and it is read like any user's file.
    """
    document = yaml_file.readable(path, source)
    if not _is_old(path):
        return document
    as_written = yaml_file.readable(path, source, plain_or_old_text)
    return as_written if as_written.content != document.content and _is_valid(as_written) else document


def _is_old(path: Path) -> bool:
    with path.open("rb") as stream:
        start = stream.readline() + stream.readline()
    return not says_how(start) and (
        start.startswith(MARK) or (path.name == EXPERIMENT and is_swept(path.absolute().parent))
    )


def _is_valid(document: Document) -> bool:
    try:
        validate(document)
    except InvalidExperiment:
        return False
    return True


def name_in(path: Path) -> str:
    """Return the experiment's name that a file states. Raises InvalidExperiment for a file that states none."""
    document = _document(path, str(path)).checked()
    name = document.content.get("experiment")
    if not isinstance(name, str):
        raise InvalidExperiment(document.source, [document.problem(("experiment",), "is needed")])
    return name


def named_by(source: str) -> str | None:
    """Return the experiment's name if an analysis source is an experiment file; None for any other source."""
    path = Path(source).expanduser()
    return name_in(path) if path.suffix.lower() in SUFFIXES and path.is_file() else None


def built_in_names() -> list[str]:
    """Return the names of the experiments that come with the package, sorted."""
    files = (entry.name for entry in _built_in_folder().iterdir())
    return sorted(name.removesuffix(".yaml") for name in files if name.endswith(".yaml"))


def built_in_document(name: str) -> Document:
    """Read a built-in experiment's file."""
    return yaml_file.parse((_built_in_folder() / f"{name}.yaml").read_text(encoding="utf-8"), f"{name}.yaml")


def _built_in_folder() -> Traversable:
    return resources.files("orchestrator") / "experiments"


def _read(name_or_path: str) -> tuple[Document, Path, bool]:
    """Return the document, its folder, and whether it is the user's own file and not one that a sweep wrote."""
    if name_or_path in built_in_names():
        return built_in_document(name_or_path), Path.cwd(), True
    path = Path(name_or_path).expanduser()
    if path.suffix.lower() in SUFFIXES or path.is_file():
        folder = path.absolute().parent
        return _document(path, name_or_path), folder, not came_with_results(path)
    if (path / EXPERIMENT).is_file():
        return _document(path / EXPERIMENT, str(path / EXPERIMENT)), path.absolute(), False
    hint = suggestion(name_or_path, built_in_names())
    raise UserError(f"unknown experiment {name_or_path!r}{hint}; or give the path of a YAML file")
