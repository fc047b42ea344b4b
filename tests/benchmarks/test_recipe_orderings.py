"""The page of recipe orderings says what the verdicts and the profile said, every recipe against the reference."""

from __future__ import annotations

import pandas as pd

from benchmarks import recipe_orderings
from orchestrator import api
from orchestrator.config.resolve import resolve

PAIR = {
    "mean_diff": 0.2,
    "primary_ci_low": 0.1,
    "primary_ci_high": 0.35,
    "primary_p_holm": 0.00001,
    "verdict": "better",
}


def test_a_difference_is_taken_from_the_reference_whichever_side_of_the_pair_it_is_on() -> None:
    pairs = [
        {"a": "m/plain", "b": "m/lora", **PAIR},
        {"a": "m/8-bit", "b": "m/plain", **PAIR, "primary_p_holm": 0.25},
        {"a": "m/lora", "b": "m/8-bit", **PAIR},
    ]
    found = recipe_orderings.verdicts(pd.DataFrame(pairs), "m/plain")
    assert found.keys() == {"m/lora", "m/8-bit"}
    assert (found["m/lora"]["difference"], found["m/lora"]["interval"]) == (-0.2, (-0.35, -0.1))
    assert (found["m/8-bit"]["difference"], found["m/8-bit"]["interval"]) == (0.2, (0.1, 0.35))
    assert found["m/8-bit"]["p"] == 0.25
    assert (found["m/lora"]["verdict"], found["m/8-bit"]["verdict"]) == ("worse", "better")


def test_a_row_has_score_verdict_speed_and_memory_and_the_reference_has_no_verdict() -> None:
    scores = pd.DataFrame({"system": ["m/lora", "m/plain"], "mean": [0.4, 0.6], "std": [0.01, 0.02]})
    tests = recipe_orderings.verdicts(pd.DataFrame([{"a": "m/plain", "b": "m/lora", **PAIR}]), "m/plain")
    speed = {"samples_per_second": [20.0, 30.0], "samples_per_second_min": [19.0, 29.0]}
    speeds = pd.DataFrame(
        {
            "system": ["m/plain", "m/lora"],
            **speed,
            "samples_per_second_max": [21.0, 31.0],
            "peak_memory_gib": [2.0, 1.5],
        }
    )
    plain, lora = recipe_orderings.table(scores, tests, speeds, "m/plain")
    assert plain == {
        "recipe": "plain",
        "score": "0.6000 ± 0.0200",
        "- plain": "",
        "95% interval": "",
        "Holm p": "",
        "verdict": "",
        "samples/s": "20.0 (19.0 to 21.0)",
        "of plain": "1.00",
        "peak GiB": "2.00",
    }
    assert (lora["- plain"], lora["95% interval"]) == ("-0.2000", "-0.3500 to -0.1000")
    assert (lora["Holm p"], lora["of plain"], lora["peak GiB"]) == ("< .0001", "1.50", "1.50")


def test_every_recipe_of_the_page_is_one_that_a_processor_can_train_and_one_is_the_control() -> None:
    settings = recipe_orderings.SETTINGS
    loaded = api.load_experiment("quickstart", models=[recipe_orderings.MODEL], seeds="42", settings=settings)
    systems = resolve(loaded).systems
    assert [system.recipe for system in systems] == list(recipe_orderings.RECIPES)
    assert [system.recipe for system in systems if system.control] == ["misaligned"]
    assert [system.unsupported for system in systems] == [None] * len(systems)
