"""One system of an experiment: what is compared, with the configuration that all its runs share."""

from __future__ import annotations

from dataclasses import dataclass

from trainables.config import RunConfig

DEFAULT_RECIPE = "default"


@dataclass(frozen=True)
class System:
    """What is compared: a model trained by a recipe. `config` is that of its runs, with the first seed and fold.

    `start` is the results directory of the run that `config.init_from` names; None: the sweep's own. `unsupported`
    says why this machine cannot run it; `winner_of` names the trial of a search that its settings come from.
    """

    name: str
    model: str
    recipe: str
    control: str | None
    config: RunConfig
    start: str | None = None
    unsupported: str | None = None
    winner_of: str | None = None


def system_name(model: str, recipe: str) -> str:
    """`model/recipe`, or the model alone for the default recipe; so a recipe that is added later renames nothing."""
    return model if recipe == DEFAULT_RECIPE else f"{model}/{recipe}"
