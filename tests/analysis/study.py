"""A small study with everything a report can show: runs, epochs, predictions and a search, of any systems."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pandas as pd

from analysis import registry
from analysis.analyze import Analysis, analyze_results
from analysis.config import CompareConfig
from analysis.plotting import draw_all, render
from analysis.tables.normalize import normalize
from analysis.tables.read import Origin, Results, to_csv
from tests.analysis import searches

THREE = ("roberta-base", "deberta-v3-large", "modernbert-large")
HOSTILE = (
    "$x^2$ _a_ <script>alert(1)</script>",
    "line\nbreak \x1b[31mred\x1b[0m \u202eevil",
    "emoji \N{GRINNING FACE} & \"double\" 'single' ]]>" + "n" * 100,
    "=1+1",
)
TRIALS = 12  # of each system, in the search that came before
CLASSES = ("OBDH", "Power", "Thermal")


def results(systems: Sequence[str] = THREE, seeds: int = 7, epochs: int = 4, **columns: Any) -> Results:
    """Runs whose scores fall by 0.02 a system, with seed effects that all systems share; `columns` go to every run."""
    cells = [(place, system, 42 + number) for place, system in enumerate(systems) for number in range(seeds)]
    runs = pd.DataFrame([_run(place, system, seed) | columns for place, system, seed in cells])
    rows = [_epoch(place, system, seed, epoch) for place, system, seed in cells for epoch in range(1, epochs + 1)]
    said = [row for place, system, seed in cells for row in _predictions(place, system, seed)]
    experiment = {
        "experiment": "study",
        "question": "Which encoder is best?",
        "models": {system: {"learning_rate": 2e-5} if place == 0 else {} for place, system in enumerate(systems)},
        "recipes": {"default": {}},
        "train": {"epochs": epochs, "learning_rate": 3e-5, "batch_size": 8, "schedule": "linear"},
        "split": {"validation": 0.2, "seed": 42},
    }
    searched = {**experiment, "search": {**searches.BLOCK, "trials": TRIALS}}
    normalized, warnings = normalize(runs, "study")
    trials, trial_epochs = searches.tables(tuple(systems), TRIALS)
    return Results(
        normalized,
        pd.DataFrame(rows),
        pd.DataFrame(said),
        searched,
        tuple(warnings),
        ("results/study",),
        trials,
        trial_epochs,
        (Origin("results/study", searched, ("search --then-sweep",)),),
    )


@cache
def analysis(systems: tuple[str, ...] = THREE, seeds: int = 7) -> Analysis:
    """The answer to that study."""
    return analyze_results(results(systems, seeds))


@cache
def of_figure(name: str, systems: tuple[str, ...] = THREE, seeds: int = 7) -> Analysis:
    """The answer that a figure is drawn from: mean ranks need splits that vary with the run."""
    if name != "critical_difference":
        return analysis(systems, seeds)
    several = results(systems, seeds)
    return analyze_results(replace(several, runs=several.runs.assign(split_seed=several.runs["seed"])))


@cache
def drawn(systems: tuple[str, ...] = THREE) -> draw_all.DrawnFigures:
    """Its figures, with three seeds, as the report shows them; those that need splits are of such a study."""
    own = draw_all.draw(analysis(systems, seeds=3), ("svg",))
    if len(systems) < 3:
        return own
    figure = registry.load("figure", "critical_difference")
    data = figure.frame(of_figure(figure.name, systems, seeds=3))
    files = {"csv": to_csv(data), **{str(kind): image for kind, image in render.render(figure, data, ("svg",)).items()}}
    return replace(own, files={**own.files, figure.name: files})


def without(found: Results, table: str, *columns: str) -> Analysis:
    """The answer when a table lacks some columns."""
    frame: pd.DataFrame = getattr(found, table)
    return analyze_results(replace(found, **{table: frame.drop(columns=list(columns))}), options=CompareConfig())


def _identity(system: str, seed: int) -> str:
    return f"{system}-{seed}"


def _run(place: int, system: str, seed: int) -> dict[str, Any]:
    noise = np.random.default_rng([seed, place]).normal(0, 0.004)
    return {
        "run_id": _identity(system, seed),
        "settings_id": f"settings-{place}",
        "task": "token_classification",
        "dataset": "cr-ecss",
        "dataset_fingerprint": "f" * 64,
        "model": system,
        "recipe": "default",
        "system": system,
        "seed": seed,
        "split_seed": 42,
        "status": "completed",
        "error": None,
        "attempt": 1,
        "metric": "weighted_f1",
        "score": 0.86 - 0.02 * place + 0.001 * (seed % 5) + noise,
        "score_split": "validation",
        "selected_on": "validation",
        "best_epoch": 2,
        "precision": "bf16" if place else "fp16",
        "seconds_train": 40.0 + 8 * place + seed % 3,
        "samples_per_second": 300.0 - 10 * (place % 7) + seed % 3,
        "peak_memory_gib": 4.0 + place,
        "git_commit": "0123abc",
    }


def _epoch(place: int, system: str, seed: int, epoch: int) -> dict[str, Any]:
    losses = {"train_loss": 1.5 / epoch + 0.01 * (seed % 5), "eval_loss": 1.2 / epoch + 0.1 + 0.02 * place}
    reached = {"seconds": 10.0 + place, "metric_weighted_f1": 0.9 - 0.02 * place - 0.3 / epoch}
    return {"run_id": _identity(system, seed), "epoch": epoch, "step": 87 * epoch, **losses, **reached}


def _predictions(place: int, system: str, seed: int) -> list[dict[str, Any]]:
    """Four words a class; system k misses the first k (at most two) of each, one more of OBDH for even seeds."""
    rows = []
    for position in range(12):
        gold = CLASSES[position // 4]
        missed = position % 4 < min(place, 2) + (seed % 2 == 0 and gold == CLASSES[0])
        said = "O" if missed else gold
        rows.append({"item": "1", "position": position, "gold": gold, "predicted": said, "correct": not missed})
    rows.append({"item": "2", "position": 0, "gold": "O", "predicted": "O", "correct": True})
    return [{"run_id": _identity(system, seed), "split": "validation", "cluster": None, **row} for row in rows]
