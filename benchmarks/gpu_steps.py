"""Training speed of full-size encoders on a GPU: the stock Trainer, our loop as it is, our best recipe; one command.

The models are those of the studies (benchmarks/made_up.py). Weights are random and the text is made up, with lengths
like the real one's: speed depends on neither. Nothing is downloaded. Both sides compute in bfloat16 (the study's
RoBERTa took float16, whose scaler no recorded step can wait for). Every side is a process of its own, in rounds; whole
epochs over the same items are measured, after as many steps of warm-up.

    python -m benchmarks.gpu_steps                     # on a GPU; writes benchmarks/results/gpu_steps.md
    python -m benchmarks.gpu_steps --tiny              # the same with tiny models, also on a processor; writes nothing

A recipe that the machine cannot run (CUDA graphs on a processor) is left out, and the log says why.
"""

from __future__ import annotations

import argparse
import json
import logging
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.machine import spread, write
from benchmarks.made_up import BATCH_SIZE, STUDIES, Study, configuration
from trainables import registry
from trainables.engine.config import RunConfig
from trainables.engine.hardware import this_machine
from trainables.engine.variant import resolve_variants, unsupported_on

Recipe = dict[str, dict[str, Any]]
_FIXED = {"mode": "default", "shapes": "fixed"}
RECIPES: dict[str, Recipe] = {
    "ours": {},
    "bucketed": {"length_bucketing": {}},
    "compiled": {"length_bucketing": {}, "torch_compile": _FIXED},
    "graphs": {"length_bucketing": {}, "cuda_graphs": {}},
    "both": {"length_bucketing": {}, "torch_compile": _FIXED, "cuda_graphs": {}},
}


def in_process(question: dict[str, Any], side: str) -> dict[str, Any]:
    """What a fresh process answers: `ours` is the profiler, `peer` the stock Trainer."""
    module = ["trainables.engine.profiling"] if side == "ours" else ["benchmarks.gpu_steps", "--peer"]
    ended = subprocess.run(
        [sys.executable, "-m", *module], input=json.dumps(question), capture_output=True, text=True, check=False
    )
    lines = [line for line in ended.stdout.splitlines() if line.startswith("{")]
    if ended.returncode or not lines:
        return {"result": "failed", "reason": (ended.stderr.strip().splitlines() or ["no answer"])[-1]}
    found: dict[str, Any] = json.loads(lines[-1])
    return found


def peer(question: dict[str, Any]) -> dict[str, Any]:
    """The stock Trainer on the run, in the run's precision: its second epoch over the items."""
    from benchmarks import stock_trainer

    config = RunConfig.model_validate_json(json.dumps(question["config"]))
    return {"result": "measured", **stock_trainer.train(config, config.model.precision)}


def left_out(recipe: Recipe) -> str | None:
    """Why this machine cannot run the recipe, as a sweep would say it; None where it can."""
    return unsupported_on(this_machine(), resolve_variants(recipe, partial(registry.load, "variant")))


def answered(side: str, recipe: Recipe, question: dict[str, Any]) -> dict[str, Any]:
    """What a side answers; a recipe that is left out starts nothing."""
    reason = left_out(recipe)
    if reason is not None:
        return {"result": "unsupported", "reason": reason}
    return in_process(question, "peer" if side == "Trainer" else "ours")


def measure(study: Study, folder: Path, rounds: int, tiny: bool) -> dict[str, list[dict[str, Any]]]:
    """Answers by side (the stock Trainer first, then our recipes), one a round."""
    config = configuration(study, folder, tiny)
    steps = len((folder / "items.jsonl").read_text().splitlines()) // config.train.batch_size
    found: dict[str, list[dict[str, Any]]] = {}
    for _ in range(rounds):
        sides: dict[str, dict[str, Any]] = {"Trainer": {}, **RECIPES}
        for side, recipe in sides.items():
            run = config.model_copy(update={"variants": recipe}).model_dump(mode="json")
            question = {"config": run, "steps": steps, "warmup": steps}
            answer = answered(side, recipe, question)
            found.setdefault(side, []).append(answer)
            logging.info("%s %s: %s", study.name, side, json.dumps(answer))
    return found


def row(study: Study, found: dict[str, list[dict[str, Any]]]) -> dict[str, str]:
    """Medians: samples a second of the stock Trainer, of ours as it is, of our best recipe; shares of the ceiling."""
    speed = {side: _median(answers, "samples_per_second") for side, answers in found.items()}
    ours = {side: value for side, value in speed.items() if side != "Trainer" and value is not None}
    best = max(ours, key=lambda side: ours[side], default=None)
    plain = found["ours"]
    needed, ceiling = (_median(plain, f"{name}_operations_per_second") for name in ("model", "ceiling"))
    tokens, ours_tokens = _median(found["Trainer"], "tokens_per_second"), _median(plain, "tokens_per_second")
    peer_share = needed * tokens / ours_tokens / ceiling if needed and ceiling and tokens and ours_tokens else None
    best_share = None if best is None else _share(found[best])
    return {
        "model": study.name,
        "Trainer samples/s": _text(speed["Trainer"], ".1f"),
        "ours, eager": _text(speed.get("ours"), ".1f"),
        "ours, best": _text(None if best is None else ours[best], ".1f"),
        "best recipe": best or "-",
        "ratio": _text(ours[best] / speed["Trainer"] if best and speed["Trainer"] else None, ".2f"),
        "Trainer ms a step": _text(_step(speed["Trainer"]), ".1f"),
        "best ms a step": _text(_step(None if best is None else ours[best]), ".1f"),
        "Trainer, share of ceiling": _text(peer_share, ".0%"),
        "best, share of ceiling": _text(best_share, ".0%"),
    }


def _step(speed: float | None) -> float | None:
    """Mean milliseconds of a step at so many samples a second."""
    return 1e3 * BATCH_SIZE / speed if speed else None


def _share(answers: list[dict[str, Any]]) -> float | None:
    needed, ceiling = (_median(answers, f"{name}_operations_per_second") for name in ("model", "ceiling"))
    return needed / ceiling if needed and ceiling else None


def _median(answers: list[dict[str, Any]], name: str) -> float | None:
    values = [answer[name] for answer in answers if answer.get(name) is not None]
    return spread(values)["median"] if values else None


def _text(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)


def main() -> None:
    """Parse the command line and measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", default=",".join(study.name for study in STUDIES))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--tiny", action="store_true", help="tiny models, one round, nothing written")
    parser.add_argument("--peer", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(message)s")
    if arguments.peer:
        print(json.dumps(peer(json.load(sys.stdin))))
        return
    chosen = [study for study in STUDIES if study.name in arguments.models.split(",")]
    found = {}
    for study in chosen:
        with tempfile.TemporaryDirectory() as folder:
            found[study.name] = measure(study, Path(folder), 1 if arguments.tiny else arguments.rounds, arguments.tiny)
    table = [row(study, found[study.name]) for study in chosen]
    if arguments.tiny:
        print(json.dumps(table, indent=1))
        return
    command = f"python -m benchmarks.gpu_steps --rounds {arguments.rounds}"
    print(write("gpu_steps", "Training steps of full-size encoders", command, {"studies": found}, table))


if __name__ == "__main__":
    main()
