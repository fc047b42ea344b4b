"""An experiment as it was read: what the file says, and where it stands."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from orchestrator.config.experiment import Experiment
from orchestrator.config.yaml_file import Document


@dataclass(frozen=True)
class Loaded:
    """An experiment, the document it was read from, and the folder that its relative paths start at.

    `may_run_code` says whether the code it names may run: always for the user's own file, for the file of a results
    directory only if the user allows it.
    """

    experiment: Experiment
    document: Document
    folder: Path
    may_run_code: bool = True
