"""Brings a job's results here: from the head node by rsync, from an object store by its URI."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

from analysis.tables.folder import Folder
from orchestrator.cluster import launcher
from orchestrator.cluster.cluster_file import ClusterFile
from orchestrator.errors import EnvironmentProblem, UserError
from orchestrator.storage.find_results import RESULTS


def target_of(results: str) -> Path:
    """Where results of that location go on this machine: named like its last part, without options of a URI."""
    place = urlsplit(results).path or urlsplit(results).netloc if "://" in results else results
    return RESULTS / place.rstrip("/").rpartition("/")[2]


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
        source = Folder.at(uri)
        _refuse_links(target, source.files())
        fs.copy_files(source.path, str(target.absolute()), source_filesystem=source.filesystem)
    except OSError as error:
        place = uri.partition("?")[0].rpartition("@")[2]
        raise EnvironmentProblem(f"{place} cannot be read: {error}") from error


def _refuse_links(target: Path, names: Sequence[str]) -> None:
    """Raise UserError where a file would be written through a link; `target` itself may be one."""
    parts = {part for name in map(PurePosixPath, names) for part in (name, *name.parents[:-1])}
    for part in sorted(parts):
        if (target / part).is_symlink():
            raise UserError(
                f"{target / part} is a link, and nothing is fetched through it: remove it, or move {target} aside"
            )
