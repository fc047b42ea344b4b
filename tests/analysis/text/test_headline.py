"""The answer for all systems in a few sentences: told one by one, summed up where there are many."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

from analysis.text.headline import headline

OPEN = {"verdict": "inconclusive", "reason": "Holm p 0.3 is not below 0.05"}


def names(number: int) -> list[str]:
    return [f"s{place}" for place in range(number)]


def pairs(
    systems: Sequence[str], decided: Mapping[tuple[str, str], Any], rest: Mapping[str, str]
) -> list[dict[str, Any]]:
    """One row a pair: `better` for the decided ones unless they say otherwise, `rest` for the others."""
    found = []
    for a, b in itertools.combinations(systems, 2):
        told = {"verdict": decided[a, b], "reason": "clear"} if (a, b) in decided else rest
        found.append({"a": a, "b": b, "sentence": f"{a} and {b}: {told['verdict']}", **told})
    return found


def test_up_to_six_systems_are_told_one_by_one() -> None:
    rows = pairs(names(3), {("s0", "s2"): "better", ("s1", "s2"): "better"}, OPEN)
    assert headline(names(3), rows, "accuracy") == (
        "On accuracy: s0 is better than s2. s1 is better than s2. "
        "Inconclusive (Holm p 0.3 is not below 0.05): s0 against s1."
    )


def test_of_many_systems_the_best_group_is_named_and_the_pairs_are_counted() -> None:
    systems = names(20)
    decided = {pair: "better" for pair in itertools.combinations(systems, 2) if pair[1] not in ("s0", "s1", "s2")}
    text = headline(systems, pairs(systems, decided, OPEN), "accuracy")
    assert text == (
        "On accuracy: 3 of 20 systems are not shown to be worse than any other: s0, s1 and s2. "
        "Of 190 pairs 187 are decided (better or worse) and 3 are inconclusive. Every pair is in statistical_tests.csv."
    )


def test_one_leader_of_many_is_called_so() -> None:
    systems = names(7)
    everyone = dict.fromkeys(itertools.combinations(systems, 2), "better")
    assert "s0 leads: it is better than all 6 others." in headline(systems, pairs(systems, everyone, OPEN), "f1")
    all_but_one = everyone | {("s0", "s1"): "inconclusive", ("s1", "s2"): "worse"}
    text = headline(systems, pairs(systems, all_but_one, OPEN), "f1")
    assert "s0 leads: it is better than 5 of 6 others, and none is shown to be better." in text


def test_many_systems_without_a_winner_stay_short_and_give_the_shared_reason() -> None:
    few = {"verdict": "undecidable", "reason": "5 seeds cannot give a Holm p below 1"}
    text = headline(names(100), pairs(names(100), {}, few), "f1")
    assert text == (
        "On f1: No system is shown to be better than another. All 4950 pairs are undecidable "
        "(5 seeds cannot give a Holm p below 1). Every pair is in statistical_tests.csv."
    )


def test_a_system_that_no_verdict_reaches_is_not_in_the_best_group() -> None:
    systems = names(7)
    decided: dict[tuple[str, str], str] = dict.fromkeys(itertools.combinations(systems, 2), "better")
    decided |= {pair: "undecidable" for pair in decided if "s6" in pair}
    text = headline(systems, pairs(systems, decided, OPEN), "f1")
    assert "s0 leads: it is better than 5 of 6 others" in text
    assert "Nothing can be said about s6." in text


def test_verdicts_that_go_round_have_no_best_group() -> None:
    systems = names(7)
    decided: dict[tuple[str, str], str] = dict.fromkeys(itertools.combinations(systems, 2), "better")
    text = headline(systems, pairs(systems, decided | {("s0", "s6"): "worse"}, OPEN), "f1")
    assert "Every system is shown to be worse than another" in text
    rest = {pair: "better" for pair in decided if "s0" not in pair} | {("s1", "s6"): "worse"}
    assert "1 of 7 systems is not shown to be worse than any other: s0." in headline(
        systems, pairs(systems, rest, OPEN), "f1"
    )


def test_a_control_is_never_the_best_and_has_its_own_sentence() -> None:
    systems = ["broken", "good", "fine"]
    rows = pairs(systems, {("broken", "good"): "worse", ("broken", "fine"): "worse", ("good", "fine"): "better"}, OPEN)
    text = headline(systems, rows, "f1", {"broken": "negative"})
    assert text == (
        "On f1: good is better than fine. Negative control broken is worse than every other system, as it must be."
    )
    winning = pairs(systems, {("broken", "good"): "better"}, OPEN)
    text = headline(systems, winning, "f1", {"broken": "negative"})
    assert "broken is better" not in text
    assert "not sensitive: negative control broken is not shown to be worse than good and fine." in text


def test_only_controls_leave_nothing_to_find() -> None:
    rows = pairs(names(2), {}, OPEN)
    assert "nothing to find" in headline(names(2), rows, "f1", dict.fromkeys(names(2), "negative"))
