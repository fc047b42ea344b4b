"""Recipes A1 to D1 of the SQuAD study: throughput and peak memory, beside what the study reports of its T4."""

from __future__ import annotations

from typing import Any

from benchmarks import made_up
from benchmarks.gpu.sides import Ours, Recipe, cannot
from benchmarks.gpu.task import Task
from orchestrator.config.load import built_in_document
from trainables.config import RunConfig
from trainables.training.token_cache import RunCache

STUDY = "squad-v2-recipes"
ORDER = ("A2", "A1", "B2", "B3", "best", "C2", "A3", "A4-nb", "B1", "C1", "D1", "best-cuda")  # those that compile last
SAMPLES = {
    **{"A1": 43.9, "A2": 42.0, "A3": 45.3, "A4-nb": 51.6, "B1": 70.4, "B3": 89.8, "C1": 46.4, "C2": 37.1},
    "D1": 45.5,
}
PEAK_MIB = {"A3": 3087, "C1": 2466, "C2": 2100}
STEPS, LEAST_SECONDS, LEAST_COMPILED_SECONDS = 64, 8.0, 45.0


def measure(task: Task) -> None:
    """Every recipe that was not measured yet, each alone on the device."""
    study = next(study for study in made_up.STUDIES if study.task == "question_answering")
    config = made_up.configuration(study, task.folder / study.name.split()[0], task.rehearse)
    recipes: dict[str, Recipe] = built_in_document(STUDY).content["recipes"]
    warm = RunCache()
    for name in ORDER:
        recipe = {variant: options or {} for variant, options in recipes[name].items()}
        if name not in task.done:
            _measure(task, name, recipe, config, warm)


def _measure(task: Task, name: str, recipe: Recipe, config: RunConfig, warm: RunCache) -> None:
    obstacle = cannot(recipe)
    if obstacle is not None:
        task.row(name, obstacle[0], reason=obstacle[1])
        return
    if task.rehearse and "torch_compile" in recipe:
        task.row(name, "unsupported", reason="a rehearsal compiles nothing: it takes a minute on a processor")
        return
    if "torch_compile" in recipe and task.number == "second":
        return
    if task.wants(name, LEAST_COMPILED_SECONDS if "torch_compile" in recipe else LEAST_SECONDS):
        with task.attempt(name):
            side = Ours(config, _fitting(recipe) if task.rehearse else recipe, warm)
            found = side.round(4 if task.rehearse else STEPS)
            task.row(name, **found, **_reported(name))


def _fitting(recipe: Recipe) -> Recipe:
    """A rehearsal's model has two layers, of which one at most can be frozen."""
    return {name: {**options, "layers": 1} if name == "freezing" else options for name, options in recipe.items()}


def _reported(name: str) -> dict[str, Any]:
    """What the study says of a recipe."""
    return {"study_samples_per_second": SAMPLES.get(name), "study_peak_mib": PEAK_MIB.get(name)}
