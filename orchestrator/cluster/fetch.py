"""Brings a job's results here: from the head node by rsync, from an object store by its URI."""

from __future__ import annotations

from pathlib import Path

from orchestrator.cluster import launcher
from orchestrator.cluster.cluster_file import ClusterFile
from orchestrator.errors import EnvironmentProblem, UserError
from orchestrator.places import RESULTS


def target_of(results: str) -> Path:
    """Where results of that location go on this machine."""
    return RESULTS / results.rstrip("/").rpartition("/")[2]


def check_reachable(results: str, file: ClusterFile | None) -> None:
    """Raise UserError for a location that `fetch` could not bring."""
    if "://" not in results and file is None:
        raise UserError(f"--fetch brings {results} from the head node by rsync: name the cluster with --cluster FILE")


def fetch(results: str, file: ClusterFile | None) -> Path:
    """Copy results into `results/` of the working directory; what is there already stays. Returns the folder."""
    check_reachable(results, file)
    target = target_of(results)
    if "://" in results:
        _download(results, target)
    elif file is not None:
        launcher.copy_from_head(file, results, target)
    return target


def _download(uri: str, target: Path) -> None:
    from pyarrow import fs

    target.mkdir(parents=True, exist_ok=True)
    try:
        source, path = fs.FileSystem.from_uri(uri)
        fs.copy_files(path, str(target.absolute()), source_filesystem=source)
    except OSError as error:
        raise EnvironmentProblem(f"{uri} cannot be read: {error}") from error
