"""Loads the data of a run: finds the files or the hub data set, fingerprints them and reads the items, without torch.

Data sets of the Hugging Face Hub are pinned to a commit. Heavy libraries are imported only when needed.
"""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from trainables import registry
from trainables.config import DataConfig
from trainables.data.clusters import without_blank_clusters
from trainables.data.dataset import Corpus, DataError, Dataset, HubSource, Item, Reading
from trainables.data.forms.declared import as_declared
from trainables.data.forms.dropped import without_labels
from trainables.data.how_read import ReadOptions
from trainables.data.hub import read_hub
from trainables.data.sources.files import content_sha256, find_files
from trainables.data.sources.own_reader import own_dataset, read_own
from trainables.data.sources.parts import SourceFiles, read_files, read_one
from trainables.system.disk_cache import files_sha256, text_sha256
from trainables.system.hub_access import commit, is_offline

READING = 2  # of files that the first version of the readers read otherwise, so that fingerprints change
FIRST_READING = 1


def load_corpus(data: DataConfig, fields: tuple[str, ...] = (), *, offline: bool = False, keep: bool = False) -> Corpus:
    """Read the items; `fields` are those that the task needs, which helps to recognise how a file is meant.

    With `keep`, what was read is kept in memory until `forget`, for those who ask again. Raises DataError, with file,
    row and reason, if the data cannot be found or used.
    """
    dataset = _dataset(data)
    location = locate(data, offline=offline)
    raw = _reading(data, fields, dataset, location, offline, keep)
    reading = _as_asked(raw, _asked_test(data), location)
    kept = without_labels(reading.items, reading.parts, data.drop_labels)
    declared, parts = as_declared(kept.items, data, fields), kept.parts
    items = without_blank_clusters(declared.items)
    notes = (*(dataset.notes if dataset else ()), *reading.notes, *kept.notes, *declared.notes)
    if data.limit is not None and data.limit < len(items):
        notes = (*notes, f"only the first {data.limit} of {len(items)} items: not a real result")
        items, parts = items[: data.limit], None
    actual = _fingerprint(data, fields, dataset, location, offline, raw)
    if data.fingerprint not in (None, actual):
        raise DataError(
            f"{location}: its content changed: fingerprint {actual[:12]}, expected {str(data.fingerprint)[:12]}"
        )
    return Corpus(data.label, items, actual, parts, notes, str(location), reading.how)


_MOST_KEPT = 2  # an experiment's data, and the text that its models are adapted to
_KEPT: dict[str, Reading] = {}


def forget() -> None:
    """Drop what was kept in memory."""
    _KEPT.clear()


def _reading(
    data: DataConfig, fields: tuple[str, ...], dataset: Dataset | None, location: Location, offline: bool, keep: bool
) -> Reading:
    """Return what is kept of these data as they are now, or read them."""
    settings = data.model_dump_json(exclude={"fingerprint", "limit", "drop_labels"})
    key = json.dumps([settings, fields, _stamps(data, dataset, location), offline])
    if key in _KEPT:
        return _KEPT[key]
    reading = _read(data, fields, dataset, location, offline)
    if keep:
        while len(_KEPT) >= _MOST_KEPT:
            _KEPT.pop(next(iter(_KEPT)))
        _KEPT[key] = reading
    return reading


def _stamps(data: DataConfig, dataset: Dataset | None, location: Location) -> list[Any]:
    """Return what changes whenever the data do: the time and size of every file, a hub id, the user's own code."""
    code = registry.content_of(data.name or "")
    if isinstance(location, str):
        return [code, location]
    if isinstance(location, SourceFiles):
        files = [file.path for file in location.files]
    elif location.is_dir():
        names = dataset.files_for(_asked_test(data)) if dataset else ()
        files = [location / name for name in names] or sorted(location.rglob("*"))
    else:
        files = [location]
    return [code, *([str(file), (state := file.stat()).st_mtime_ns, state.st_size] for file in files)]


_SETTINGS = (
    "delimiter",
    "encoding",
    "quoting",
    "header",
    "label_names",
    "outside",
    "scheme",
    "drop_labels",
    "split_column",
)  # part of the fingerprint where they are set


def fingerprint(data: DataConfig, fields: tuple[str, ...] = (), *, offline: bool = False, keep: bool = False) -> str:
    """Return the SHA-256 (hex) of the source (the files' bytes, or the hub commit) and the settings it is read with.

    With `keep`, data that had to be read for this are kept in memory until `forget`.
    """
    dataset, location = _dataset(data), locate(data, offline=offline)
    may_differ = _may_be_read_otherwise(data, fields, dataset, location)
    raw = _reading(data, fields, dataset, location, offline, keep) if may_differ else None
    return _fingerprint(data, fields, dataset, location, offline, raw)


def _fingerprint(
    data: DataConfig,
    fields: tuple[str, ...],
    dataset: Dataset | None,
    location: Location,
    offline: bool,
    raw: Reading | None,
) -> str:
    """Return the fingerprint; `raw` is what was read, and may be None if the first readers read the same."""
    reading = READING if raw and _is_read_otherwise(data, fields, dataset, location, raw) else FIRST_READING
    settings = {"columns": data.columns, "format": data.format, "limit": data.limit, "reading": reading}
    settings |= {name: value for name in _SETTINGS if (value := getattr(data, name)) is not None}
    separate = isinstance(location, SourceFiles) or (
        isinstance(location, Path) and dataset is not None and dataset.test is not None
    )
    if data.test is False and not separate:  # else the choice of files shows it
        settings["test"] = False
    return text_sha256(json.dumps([_source_sha256(data, dataset, location, offline), settings], sort_keys=True))


def _source_sha256(data: DataConfig, dataset: Dataset | None, location: Location, offline: bool) -> str:
    if isinstance(location, str):
        return f"{location}@{_commit(data, location, offline)}"
    if isinstance(location, Path) and location.is_dir() and dataset is not None:
        return files_sha256([location / name for name in dataset.files_for(_asked_test(data))], location)
    return content_sha256(location)


def _may_be_read_otherwise(
    data: DataConfig, fields: tuple[str, ...], dataset: Dataset | None, location: Location
) -> bool:
    """Return whether it takes a look at the items to know if the first version of the readers made others."""
    if isinstance(location, Path) and _has_reader(data, dataset, location) and not registry.is_path(data.name or ""):
        return False  # a data set of ours
    is_file = not isinstance(location, str) and not (
        isinstance(location, Path) and _has_reader(data, dataset, location)
    )
    return is_file or bool({"words", "answers"} & set(fields))


def _is_read_otherwise(
    data: DataConfig, fields: tuple[str, ...], dataset: Dataset | None, location: Location, raw: Reading
) -> bool:
    """Return whether the first version of the readers made other items of these data, or could not read them at all."""
    if not _may_be_read_otherwise(data, fields, dataset, location):
        return False
    if isinstance(location, SourceFiles) or (
        isinstance(location, Path) and location.is_dir() and not _has_reader(data, dataset, location)
    ):
        return True
    return any(how.changed for how in raw.how) or as_declared(raw.items, data, fields).changed


Location = Path | SourceFiles | str


def locate(data: DataConfig, *, offline: bool = False) -> Location:
    """Return the file, folder or files that hold the data, or a hub id if it is loaded from the hub.

    The order is `data.path` or `data.train`, `$ORCHESTRATE_DATA/<name>/`, the files that come with the package, the
    hub. Raises a DataError that lists where a copy could be put.
    """
    dataset = _dataset(data)
    if dataset is not None and isinstance(data.path, str) and _is_folder(data.path):
        return _with_files(Path(data.path).expanduser().absolute(), dataset, _asked_test(data))
    if data.path is not None or data.train is not None:
        return find_files(data, offline=offline)
    if data.name is not None:
        local = _local(data.name, dataset, _asked_test(data))
        if local is not None:
            return local
    repository = _repository(data, dataset)
    if repository is not None and _reachable(repository, _revision(data, dataset), offline):
        return repository
    raise DataError(_not_found(data, dataset, repository))


def _dataset(data: DataConfig) -> Dataset | None:
    """Return the registered data set of this name. With a path or hub id, the name may be just a label."""
    if data.name is None:
        return None
    is_file = registry.is_path(data.name)
    if not is_file and (data.path or data.train or data.hub) and data.name not in registry.names("dataset"):
        return None
    dataset: Dataset = own_dataset(data.name) if is_file else registry.load("dataset", data.name)
    return dataset


def _asked_test(data: DataConfig) -> bool | None:
    """Return whether the data set's own test part is asked for; None also where `test` names files."""
    return data.test if isinstance(data.test, bool) else None


def _repository(data: DataConfig, dataset: Dataset | None) -> str | None:
    return data.hub or (dataset.hub.id if dataset and dataset.hub else None)


def _revision(data: DataConfig, dataset: Dataset | None) -> str | None:
    """Return the user's revision, else the one that the data set declares for its own hub source."""
    own = dataset.hub if dataset and dataset.hub and data.hub in (None, dataset.hub.id) else None
    return data.revision or (own.revision if own else None)


def _is_folder(path: str) -> bool:
    return Path(path).expanduser().is_dir()


def _with_files(folder: Path, dataset: Dataset, test: bool | None) -> Path:
    absent = [name for name in dataset.files_for(test) if not (folder / name).is_file()]
    if absent:
        raise DataError(f"data.path: {folder} lacks {', '.join(absent)}")
    return folder


def _local(name: str, dataset: Dataset | None, test: bool | None) -> Path | None:
    labels = (dataset.name, *dataset.aliases) if dataset else (name,)
    root = os.environ.get("ORCHESTRATE_DATA")
    spellings = [spelling for label in labels for spelling in _spellings(label)] if root else []
    folders = [Path(root or "").expanduser().absolute() / spelling for spelling in spellings]
    if dataset is not None and dataset.folder is not None:
        folders.append(dataset.folder)
    for folder in folders:
        if dataset is not None and all((folder / file).is_file() for file in dataset.files_for(test)):
            return folder
    return None


def _spellings(name: str) -> list[str]:
    return list(dict.fromkeys([name, name.replace("-", "_"), name.replace("_", "-")]))


def _reachable(repository: str, revision: str | None, offline: bool) -> bool:
    if not is_offline(offline):
        return True
    return commit(repository.partition(":")[0], revision, "dataset", offline=True) is not None


def _commit(data: DataConfig, repository: str, offline: bool) -> str:
    dataset = _dataset(data)
    pinned = commit(repository.partition(":")[0], _revision(data, dataset), "dataset", offline)
    if pinned is None:
        raise DataError(_not_found(data, dataset, repository))
    return pinned


def _has_reader(data: DataConfig, dataset: Dataset | None, location: Path) -> bool:
    """Return whether the data set's own reader reads this file or folder."""
    return dataset is not None and not data.columns and (location.is_dir() or dataset.files == (location.name,))


def _options(data: DataConfig, fields: tuple[str, ...]) -> ReadOptions:
    return ReadOptions(
        **{name: getattr(data, name) for name in ("format", "delimiter", "encoding", "quoting", "header", "columns")},
        fields=fields,
        part=data.split_column,
        label_names=data.label_names,
    )


def _read(
    data: DataConfig, fields: tuple[str, ...], dataset: Dataset | None, location: Location, offline: bool
) -> Reading:
    if isinstance(location, Path) and _has_reader(data, dataset, location):
        assert dataset is not None
        _refuse_file_settings(data, f"{data.label} has a reader of its own")
        return _read_named(data, fields, dataset, location)
    if data.name is not None and registry.is_path(data.name) and dataset is not None:
        raise DataError(
            f"data: {data.label} reads {' and '.join(dataset.files)} itself: "
            "remove data.columns, and give its folder as data.path, or nothing"
        )
    if isinstance(location, str):
        _refuse_file_settings(data, f"{location} is on the hub")
        return _read_hub(data, dataset, location, offline)
    if isinstance(location, SourceFiles):
        return read_files(location, _options(data, fields), _asked_test(data))
    return read_one(location, _options(data, fields), _asked_test(data))


_OF_FILES = ("delimiter", "encoding", "quoting", "header", "split_column")


def _refuse_file_settings(data: DataConfig, reason: str) -> None:
    given = next((name for name in _OF_FILES if getattr(data, name) is not None), None)
    if given is not None:
        raise DataError(f"data.{given}: {reason}, so the key would do nothing: remove it")


def _read_named(data: DataConfig, fields: tuple[str, ...], dataset: Dataset, location: Path) -> Reading:
    """Read a data set with the reader of its own."""
    test = dataset.test if dataset.with_test(_asked_test(data)) else None
    if data.name is not None and registry.is_path(data.name):
        return read_own(data.name, dataset, location, fields, test)
    reading = dataset.read(location)
    return reading if test is None else _with_test(reading, test.read(location))


def _read_hub(data: DataConfig, dataset: Dataset | None, repository: str, offline: bool) -> Reading:
    """Read a named data set as its hub source says, and any other hub id as it is, with the user's columns."""
    source = dataset.hub if dataset and dataset.hub and dataset.hub.id == repository else HubSource(repository)
    return read_hub(source, _commit(data, repository, offline), data.columns, offline)


def _with_test(reading: Reading, test: list[Item]) -> Reading:
    """Append the items of the test part."""
    count = len(reading.items)
    parts = {**(reading.parts or {}), "test": range(count, count + len(test))}
    return replace(reading, items=[*reading.items, *test], parts=parts)


def _as_asked(reading: Reading, test: bool | None, location: Location) -> Reading:
    """Check that there is a test part if `data.test` is true; drop it if that is false."""
    parts = reading.parts or {}
    if test and "test" not in parts:
        raise DataError(f"data.test: {location} has no test part with labels; give a local copy that has one")
    if test is False and "test" in parts:
        kept = np.setdiff1d(np.arange(len(reading.items)), np.asarray(parts["test"]))
        others = {name: np.searchsorted(kept, values).tolist() for name, values in parts.items() if name != "test"}
        return replace(reading, items=[reading.items[index] for index in kept], parts=others)
    return reading


def _not_found(data: DataConfig, dataset: Dataset | None, repository: str | None) -> str:
    label = (dataset.name if dataset else data.name) or data.label
    files = ", ".join(dataset.files_for(_asked_test(data))) if dataset else "its files"
    root = os.environ.get("ORCHESTRATE_DATA")
    state = f"is {root}" if root else "is not set"
    copy = f"{repository} cannot be reached and is not in the local cache" if repository else "no id is known for it"
    return (
        f"no copy of the data set {label!r}; give one of: --data PATH (data.path) · {files} under "
        f"$ORCHESTRATE_DATA/{label}/ (ORCHESTRATE_DATA {state}) · a Hugging Face Hub id as data.hub ({copy})"
    )
