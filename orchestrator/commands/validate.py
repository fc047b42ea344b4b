"""`orchestrate validate`: checks an experiment file, the names in it, and its data, as a plan does."""

from __future__ import annotations

from dataclasses import dataclass

from orchestrator.config.absolute_paths import anchored, named_code
from orchestrator.config.data_check import DataFacts
from orchestrator.config.data_preview import DataPreview, look_at_data
from orchestrator.config.experiment import Experiment
from orchestrator.config.loaded import Loaded
from orchestrator.config.look import look
from orchestrator.config.resolve import resolve


@dataclass(frozen=True)
class Checked:
    """A checked experiment with its defaults, and what is known about its data; None where it was not read."""

    experiment: Experiment
    notes: tuple[str, ...] = ()
    facts: DataFacts | None = None
    data: DataPreview | None = None

    @property
    def warnings(self) -> tuple[str, ...]:
        """Everything to consider before it runs."""
        facts = () if self.facts is None else self.facts.warnings
        return (*self.notes, *facts, *(() if self.data is None else self.data.warnings))


def validate(loaded: Loaded, *, file_only: bool = False, run_code: bool = False, with_data: bool = True) -> Checked:
    """Check an experiment; `file_only` looks up nothing that it names, and without `with_data` the data is left aside.

    Data is hashed and not read where the experiment names code that may not run: what is read may depend on it.
    Raises InvalidExperiment as `resolve` does, and DataError as `plan` does.
    """
    if file_only:
        return Checked(loaded.experiment)
    if not with_data or (not run_code and named_code(anchored(loaded.experiment, loaded.folder))):
        return Checked(*look(loaded, run_code=run_code, with_data=with_data))
    resolved = resolve(loaded, must_be_available=False)
    return Checked(resolved.experiment, resolved.notes, *look_at_data(resolved))
