"""What each technique of the recipes study does to score, speed and memory, on labelled requirements (cr-ecss).

Scores are those of one sweep, all recipes with the same seeds, settings and items, and the verdicts are the ones that
every sweep gets: each recipe against `plain`, Holm over all pairs. Speed and memory are those of `orchestrate profile`
afterwards: fresh processes that take turns, nothing beside them. One recipe is a negative control: it is scored wrongly
on purpose, and the statistics must say so.

    ORCHESTRATE_DATA=... python -m benchmarks.recipe_orderings
    python -m benchmarks.recipe_orderings --quick       # bundled sentences, no claim, writes nothing
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from analysis.tables.profile import summary, to_table
from benchmarks.machine import write
from orchestrator import api
from orchestrator.commands._execution import LayoutOptions
from orchestrator.commands.profile import profile
from orchestrator.commands.sweep import SweepOptions
from orchestrator.config.load import Loaded
from orchestrator.config.resolve import resolve

MODEL, REFERENCE = "minilm-l6", "plain"
OTHER_SIDE = {"better": "worse", "worse": "better"}
RECIPES: dict[str, dict[str, Any]] = {
    REFERENCE: {},
    "bucketed": {"length_bucketing": {}},
    "unpadded": {"unpadding": {}},
    "misaligned": {"length_bucketing": {}, "misaligned_evaluation": {}},
    "lora": {"lora": {"rank": 16, "alpha": 32.0, "targets": ["query", "key", "value", "output.dense"]}},
    "bitfit": {"bitfit": {}},
    "frozen": {"freezing": {"layers": 5}},
    "8-bit": {"adamw_8bit": {}},
    "checkpointed": {"gradient_checkpointing": {}},
}
SETTINGS = {
    "recipes": RECIPES,
    "compare.controls": {"misaligned": "negative"},
    "train.learning_rate": 5e-4,
    "train.early_stopping": None,
}


def experiment(arguments: argparse.Namespace) -> Loaded:
    """The built-in experiment with these recipes."""
    name = "quickstart" if arguments.quick else "cr-ecss"
    settings = {**SETTINGS, "train.epochs": arguments.epochs}
    return api.load_experiment(name, models=[MODEL], seeds=arguments.seeds, settings=settings)


def verdicts(tests: pd.DataFrame, reference: str) -> dict[str, dict[str, Any]]:
    """Every system but the reference: its score less the reference's, interval, Holm-adjusted p and the verdict's word.

    `tests` is the table `statistical_tests`, which has each pair once, in either order.
    """
    found: dict[str, dict[str, Any]] = {}
    for row in tests.to_dict("records"):
        if reference not in (row["a"], row["b"]):
            continue
        ours_first = row["b"] == reference
        low, high = row["primary_ci_low"], row["primary_ci_high"]
        found[row["a"] if ours_first else row["b"]] = {
            "difference": row["mean_diff"] if ours_first else -row["mean_diff"],
            "interval": (low, high) if ours_first else (-high, -low),
            "p": row["primary_p_holm"],
            "verdict": row["verdict"] if ours_first else OTHER_SIDE.get(row["verdict"], row["verdict"]),
        }
    return found


def table(
    scores: pd.DataFrame, tests: Mapping[str, Mapping[str, Any]], speeds: pd.DataFrame, reference: str
) -> list[dict[str, str]]:
    """One row a system, in the order of the recipes; speeds also as multiples of the reference's."""
    by_system, measured = scores.set_index("system"), speeds.set_index("system")
    base = measured.loc[reference, "samples_per_second"]
    rows = []
    for system in measured.index:
        score, speed = by_system.loc[system], measured.loc[system]
        rows.append(
            {
                "recipe": system.rpartition("/")[2],
                "score": f"{score['mean']:.4f} ± {score['std']:.4f}",
                **_compared(tests.get(system)),
                "samples/s": f"{speed['samples_per_second']:.1f} ({speed['samples_per_second_min']:.1f} to "
                f"{speed['samples_per_second_max']:.1f})",
                f"of {REFERENCE}": f"{speed['samples_per_second'] / base:.2f}",
                "peak GiB": f"{speed['peak_memory_gib']:.2f}",
            }
        )
    return rows


def _compared(found: Mapping[str, Any] | None) -> dict[str, str]:
    if found is None:
        return {f"- {REFERENCE}": "", "95% interval": "", "Holm p": "", "verdict": ""}
    low, high = found["interval"]
    tested = not pd.isna(found["p"])  # a single seed, or two, give no test
    return {
        f"- {REFERENCE}": f"{found['difference']:+.4f}",
        "95% interval": f"{low:+.4f} to {high:+.4f}" if tested else "",
        "Holm p": "" if not tested else "< .0001" if found["p"] < 1e-4 else f"{found['p']:.4f}",
        "verdict": found["verdict"],
    }


def measure(arguments: argparse.Namespace) -> tuple[dict[str, Any], list[dict[str, str]]]:
    """The sweep and its verdicts, then the profile; everything measured, and its table."""
    loaded = experiment(arguments)
    with tempfile.TemporaryDirectory() as passing:
        folder = arguments.out or passing
        layout = LayoutOptions(lanes=arguments.lanes, in_process=arguments.quick)
        ended = api.sweep(loaded, SweepOptions(out=folder, layout=layout))
        if not ended.finished:
            raise SystemExit(f"the sweep has not finished: {ended.status.counts}")
        api.analyze(folder)
        scores, tests = (
            pd.read_parquet(Path(folder) / "analysis" / f"{name}.parquet")
            for name in ("summary_statistics", "statistical_tests")
        )
    rows = profile(resolve(loaded), steps=arguments.steps, rounds=arguments.rounds, on_result=_say)
    speeds = summary(to_table(rows).to_pandas())
    reference = f"{MODEL}/{REFERENCE}"
    found = verdicts(tests, reference)
    document = {
        "settings": {**SETTINGS, "train.epochs": arguments.epochs},
        "scores": json.loads(scores.to_json(orient="records")),
        "comparisons": found,
        "profile": rows,
    }
    return document, table(scores, found, speeds, reference)


def _say(row: dict[str, Any]) -> None:
    logging.info("%s", json.dumps(row))


def main() -> None:
    """Parse the command line and measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", default="42-47")
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--lanes", type=int, default=2)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--out", help="keep the sweep's results here, and go on from those that are")
    parser.add_argument("--quick", action="store_true", help="bundled sentences, in one process, nothing written")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(message)s")
    document, rows = measure(arguments)
    if arguments.quick:
        print(json.dumps(rows, indent=1))
        return
    settings = f"--epochs {arguments.epochs} --seeds {arguments.seeds} --rounds {arguments.rounds}"
    title = f"Recipes on cr-ecss, {MODEL}: weighted F1, speed and memory"
    command = f"python -m benchmarks.recipe_orderings {settings}"
    print(write("recipe_orderings", title, command, document, rows))


if __name__ == "__main__":
    main()
