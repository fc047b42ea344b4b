"""Training speed of full-size encoders: stock Trainer, our loop plain and with recipes, in turn in one process."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from benchmarks import made_up
from benchmarks.gpu.sides import Ours, Peer, Recipe, cannot
from benchmarks.gpu.task import Task
from benchmarks.made_up import Study
from trainables.config import Precision, RunConfig
from trainables.tools.profile import matrix_product_rate
from trainables.training.distributed import ProcessGroup
from trainables.training.token_cache import RunCache

TRAINER, EAGER = "Trainer", "ours, as it is"
_FIXED = {"mode": "default", "shapes": "fixed"}
RECIPES: dict[str, Recipe] = {
    EAGER: {},
    "bucketed": {"length_bucketing": {}},
    "graphs": {"length_bucketing": {}, "cuda_graphs": {}},
}
BY_FAMILY: dict[str, dict[str, Recipe]] = {  # what only some architectures can do
    "unpadded": {"length_bucketing": {}, "unpadding": {}},
    "flash attention": {"length_bucketing": {}, "attention": {"implementation": "flash_attention_2"}},
}
FAMILIES = {"unpadded": ("bert", "roberta"), "flash attention": ("bert", "roberta", "modernbert")}
COMPILED: dict[str, Recipe] = {  # one a process's compiler at a time: making the next one drops its graphs
    "compiled, graphs": {"length_bucketing": {}, "torch_compile": _FIXED, "cuda_graphs": {}},
    "compiled": {"length_bucketing": {}, "torch_compile": _FIXED},
}
FIRST = "roberta-base"
ROUNDS, OTHER_ROUNDS = 3, 2
ROUND_SECONDS, FEWEST_STEPS, MOST_STEPS = 5.0, 32, 512  # seconds of all rounds of a side
CEILINGS: tuple[Precision, ...] = ("bf16", "fp16", "fp32")


@dataclass(frozen=True)
class Case:
    """One model with some recipes beside the Trainer. It is not begun with less than `least_seconds`."""

    key: str
    study: Study
    recipes: Mapping[str, Recipe]
    least_seconds: float


def cases(task: Task) -> list[Case]:
    """What a pass measures, the most valuable first; compiling takes long, so that it comes last."""
    studies = {study.name: study for study in made_up.STUDIES}
    first = Case(FIRST, studies[FIRST], _plain(studies[FIRST]), 15.0)
    if task.number == "first":
        return [first]
    others = [Case(name, study, _plain(study), 25.0) for name, study in studies.items() if name != FIRST]
    if task.rehearse:
        return [first, *(case for case in others if case.study.task == "question_answering")]
    if task.number == "second":
        return [first, *others]
    graphs = {"graphs": RECIPES["graphs"]}
    compiled = [
        Case(f"{name}, {side}", study, {**graphs, side: recipe}, 120.0 if "large" in name else 60.0)
        for side, recipe in COMPILED.items()
        for name, study in studies.items()
    ]
    return [first, *others, *compiled]


def _plain(study: Study) -> dict[str, Recipe]:
    """The recipes of a model that need no compiler."""
    own = {name: recipe for name, recipe in BY_FAMILY.items() if study.family in FAMILIES[name]}
    return {**RECIPES, **own}


def measure(task: Task) -> None:
    """Every case that was not measured yet."""
    for precision in CEILINGS if not task.rehearse else ("fp32",):
        key = f"ceiling {precision}"
        if key not in task.done:
            with task.attempt(key):
                edge = 256 if task.rehearse else None
                rate = matrix_product_rate(ProcessGroup.current().device, precision, edge)
                task.row(key, precision=precision, ceiling=rate)
    for case in cases(task):
        if task.wants(case.key, case.least_seconds):
            with task.attempt(case.key):
                _measure(task, case)


def _measure(task: Task, case: Case) -> None:
    """Every side once a round, the Trainer first; a row a side and round."""
    config = made_up.configuration(case.study, task.folder / case.study.name.split()[0], task.rehearse)
    sides = _sides(task, case, config)
    steps = dict.fromkeys(sides, 4 if task.rehearse else FEWEST_STEPS)
    rounds = 1 if task.rehearse else ROUNDS if case.key == FIRST else OTHER_ROUNDS
    for number in range(1, rounds + 1):
        for name, side in sides.items():
            found = side.round(steps[name])
            own = {"model": case.study.name, "side": name, "round": number, "precision": config.model.precision}
            task.row(f"{case.key}: {name}, round {number}", **own, **found)
            if not task.rehearse:
                steps[name] = min(
                    MOST_STEPS, max(FEWEST_STEPS, int(ROUND_SECONDS / rounds / found["step_seconds_p50"]))
                )
        if task.left() < 0:
            task.is_whole = False
            return
    if len(sides) == 1 + sum(cannot(recipe) is None for recipe in case.recipes.values()):
        task.row(case.key, "whole", model=case.study.name, **_needed(sides))


def _needed(sides: Mapping[str, Any]) -> dict[str, float]:
    """Operations that training on a token needs; counted last, since counting disturbs a recorded step."""
    side = next((side for side in sides.values() if isinstance(side, Ours)), None)
    return {} if side is None else {"operations_per_token": side.operations_per_token()}


def _sides(task: Task, case: Case, config: RunConfig) -> dict[str, Any]:
    """The Trainer, and every recipe that this machine can run; what fails while it is made is a row."""
    sides: dict[str, Any] = {}
    warm = RunCache()
    with task.attempt(f"{case.key}: {TRAINER}"):
        sides[TRAINER] = Peer(config, config.model.precision)
    for name, recipe in case.recipes.items():
        obstacle = cannot(recipe)
        if obstacle is not None:
            task.row(f"{case.key}: {name}", obstacle[0], reason=obstacle[1])
            continue
        with task.attempt(f"{case.key}: {name}"):
            sides[name] = Ours(config, recipe, warm)
    return sides
