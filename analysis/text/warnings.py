"""What a reader must know before trusting a verdict: warnings that follow from the runs and from the comparisons.

Nothing is dropped silently: runs count what models never saw of their items, or cannot be right about, both for the
items they were scored on and for those they were trained on, in columns `evaluation_<count>` and `train_<count>`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from analysis.comparison.design import FEWEST_CLUSTERS
from analysis.comparison.failure_sensitivity import Sensitivity
from analysis.comparison.pair import PairResult
from analysis.comparison.selection import unequal_looks
from analysis.comparison.verdict import FEWEST_FOR_INTERVALS, FEWEST_FOR_VERDICT, FEWEST_WITHOUT_WARNING, in_common
from analysis.config import CompareConfig
from analysis.formatting import as_row
from analysis.inference.pairing import describe_key
from analysis.tables.schema import RUNS
from analysis.text.headline import about_control, missed_by
from analysis.text.sentences import collapse, number

Rows = Sequence[Mapping[str, Any]]
MOST_NAMED = 10
_NO_BASELINE = (
    "runs without a score cannot be scored at the majority baseline: that needs item predictions or a collapsed run"
)


def about_systems(systems: pd.DataFrame) -> list[str]:
    """Warn of selection on evaluation data, collapsed runs, seeds without effect, and systems without a score."""
    warnings = []
    marked = systems.loc[systems["selected_on_evaluation"], "system"].tolist()
    if marked:
        every = "all systems" if len(marked) == len(systems) else ", ".join(marked)
        warnings.append(
            f"selected on evaluation data: {every} chose the best epoch by the same scores that are reported"
        )
    for row in systems.to_dict("records"):
        if row["collapsed"]:
            low, high = row["collapse_low"], row["collapse_high"]
            warnings.append(
                f"{row['system']}: {row['collapsed']} of {row['n']} runs collapsed (the same output for every item; "
                f"exact interval {low:.0%} to {high:.0%}); they are kept. The others have a mean of "
                f"{number(row['mean_without_collapse'])}. Where only one system collapses, a difference of means says "
                "little about either part: compare both"
            )
        if row["n"] > 1 and row["min"] == row["max"]:
            warnings.append(f"{row['system']}: seed has no effect: all {row['n']} scores are {number(row['min'])}")
        if row["n"] == 0:
            warnings.append(f"{row['system']}: no run has a score")
    return warnings


def about_collapse(systems: pd.DataFrame) -> str:
    """Return a sentence on the systems with collapsed runs, and on how many have none; empty if all have none."""
    rows = [as_row(row) for _, row in systems[systems["collapsed"] > 0].iterrows()]
    if not rows:
        return ""
    rest = "" if len(rows) == len(systems) else "; the others in none"
    return f"Collapsed: {'; '.join(collapse(row) for row in rows[:MOST_SYSTEMS_NAMED])}{rest}."


def about_open_pairs(rows: Rows) -> list[str]:
    """Ask for the smallest difference that matters where pairs are open and none is stated."""
    asked = [row for row in rows if row["growth"] is not None and row["growth"].is_estimated]
    if not asked or any(row["growth"].difference is not None for row in asked):
        return []
    return [
        f"{len(asked)} of {len(rows)} pairs {'is' if len(asked) == 1 else 'are'} open; how many seeds or items would "
        "decide depends on the smallest difference that matters: state it (compare.rope) to be told"
    ]


def about_selection(rows: Rows, looks: Mapping[str, int], config: CompareConfig) -> list[str]:
    """Warn of pairs in which one system chose from more epochs on the evaluation data than the other."""
    remedy = (
        "the verdict was allowed anyway"
        if config.allow_unequal_selection
        else "give all systems the same number of epochs, choose the epoch on other data (split.test), or allow it "
        "with compare.allow_unequal_selection"
    )
    unequal = [text for row in rows if (text := unequal_looks(looks, row["a"], row["b"])) is not None]
    return _first([f"{text}: {remedy}" for text in unequal], "reason")


def about_pairs(rows: Rows, results: Sequence[PairResult], unit: str) -> list[str]:
    """Warn of runs without a partner, and of pairs with few seeds (or data sets, by `unit`) in common."""
    unpaired = [
        f"{row['a']} against {row['b']}: {_partnerless(result.dropped, unit)}"
        for row, result in zip(rows, results, strict=True)
        if result.dropped
    ]
    constant = [
        f"{row['a']} against {row['b']}: the difference is the same for every seed, so only the sign-flip test applies"
        for row in rows
        if row["p"] is None and row["p_sign_flip"] is not None and row["primary_p"] is not None
    ]
    sizes = sorted({(result.unit, result.n) for result in results})
    few = [text for own, size in sizes if (text := _about_size(size, own)) is not None]
    return [
        *_first(unpaired, "dropped_pairs"),
        *_first(constant, "std_diff"),
        *few,
        *_first(_few_items(rows), "effective_items"),
    ]


def _few_items(rows: Rows) -> list[str]:
    """Warn of pairs whose uncertainty over items rests on a few of them."""
    return [
        f"{row['a']} against {row['b']}: the variance by items rests on about {row['effective_items']:.0f} of "
        f"{row['n_items']} units, fewer than {FEWEST_CLUSTERS}"
        for row in rows
        if row.get("effective_items") is not None and row["effective_items"] < FEWEST_CLUSTERS <= row["n_items"]
    ]


def _partnerless(dropped: Sequence[tuple[Any, ...]], unit: str) -> str:
    keys = "; ".join(describe_key(key, unit) for key in dropped[:MOST_NAMED])
    more = "; ..." if len(dropped) > MOST_NAMED else ""
    return f"{len(dropped)} {'run has' if len(dropped) == 1 else 'runs have'} no partner: {keys}{more}"


def _first(sentences: list[str], column: str) -> list[str]:
    """Return the first ten sentences and, if there are more, the column that has the others."""
    if len(sentences) <= MOST_NAMED:
        return sentences
    more = f"the same holds for {len(sentences) - MOST_NAMED} more pairs: see {column} in statistical_tests.csv"
    return [*sentences[:MOST_NAMED], more]


def _about_size(n: int, unit: str) -> str | None:
    if n < FEWEST_FOR_INTERVALS:
        return f"{in_common(n, unit)}: descriptive only"
    if n < FEWEST_FOR_VERDICT:
        return f"{in_common(n, unit)}: intervals, but no verdict"
    if n < FEWEST_WITHOUT_WARNING:
        return f"{in_common(n, unit)}: tests with so few rest on their assumptions; 10 or more are better"
    return None


def about_failures(rows: Rows, config: CompareConfig) -> list[str]:
    """Warn of failure rates that differ: the system that fails more is compared on its lucky runs."""
    uneven = [
        f"{row['a']} against {row['b']}: failure rates differ by {abs(row['failure_difference']):.0%} "
        f"(Fisher p {number(row['failure_p'])})"
        + ("; the verdict was allowed anyway" if config.allow_unequal_failures else "")
        for row in rows
        if row["failure_difference"]
    ]
    return _first(uneven, "failure_difference")


def about_sensitivity(sensitivity: Sensitivity) -> list[str]:
    """Say how verdicts change if runs without a score count as majority-class runs, or why that is unknown."""
    if sensitivity.lacks_baseline:
        return [_NO_BASELINE]
    if sensitivity.pairs.empty:
        return []
    changed = [
        f"{row['a']} against {row['b']} ({row['same_test_verdict']} -> {row['verdict']})"
        for row in sensitivity.pairs[sensitivity.pairs["changed"].astype(bool)].to_dict("records")
    ]
    effect = f"changes {'; '.join(changed[:MOST_NAMED])}" if changed else "changes no verdict"
    baseline = sensitivity.pairs["baseline"].iloc[0]
    return [f"counting runs without a score at the majority baseline ({baseline:.4g}) {effect}"]


def about_controls(rows: Rows, controls: Mapping[str, str], config: CompareConfig, known: set[str]) -> list[str]:
    """Warn of unknown controls, and of negative controls not shown to be worse than every system that is not one."""
    unknown = [
        f"control {name!r} is not a system or recipe of these runs" for name in config.controls if name not in known
    ]
    missed = [about_control(name, rows, controls) for name in controls if missed_by(name, rows, controls)]
    return unknown + [f"{text[0].lower()}{text[1:].removesuffix('.')}" for text in missed]


PARTS = {"evaluation_": "evaluation item", "train_": "training item"}
ITEMS, WORDS = "truncated_items", "truncated_words"
OURS = "settings_id"  # a column that results of other tools lack
MOST_SYSTEMS_NAMED = 5
_HARMLESS = ("windows",)  # counts that say nothing is missing
_TEXTS = {
    "words_without_pieces": ("word", "of {items} {have} no tokens in the tokenizer: such words are never right"),
    "white_space_words": ("word", "of {items} {are} only white space and not scored"),
    "answers_in_no_window": ("answer", "to {items} {fit} in no window of train.max_length tokens"),
}


def about_runs(runs: pd.DataFrame) -> list[str]:
    """Say what was cut off or not scored in these runs, one sentence per kind, shared by systems with the same numbers.

    Nothing is said of tables from other tools: their columns with these names may hold anything.
    """
    if OURS not in runs.columns:
        return []
    systems_of: dict[str, list[str]] = {}
    systems = sorted({str(name) for name in runs["system"]})
    for system in systems:
        for text in _of_system(runs[runs["system"].astype(str) == system]):
            systems_of.setdefault(text, []).append(system)
    return [f"{_named(names, len(systems))}: {text}" for text, names in systems_of.items()]


def count_sentences(counts: Mapping[str, Sequence[int]], item: str, limit: str = "train.max_length") -> dict[str, str]:
    """Return kind -> what holds for these items; `counts` has the numbers of one or more runs, which may differ."""
    numbers = {name: values for name, values in counts.items() if any(values) and name not in _HARMLESS}
    sentences = {}
    cut, words = numbers.pop(ITEMS, ()), numbers.pop(WORDS, ())
    if cut or words:
        who = f"{_amount(cut, item)} {'loses' if max(cut) == 1 else 'lose'}" if cut else f"{item}s lose"
        sentences[ITEMS] = f"{who} {_amount(words, 'word') if words else 'tokens'} to {limit}"
    return sentences | {name: _sentence(name, values, f"{item}s") for name, values in numbers.items()}


def _sentence(name: str, values: Sequence[int], items: str) -> str:
    """Write one count as a sentence; counts of a user's own task have no text here."""
    if name not in _TEXTS:
        return f"{_number(values)} {name.replace('_', ' ')} of {items}"
    noun, text = _TEXTS[name]
    singular = max(values) == 1
    verbs = {"are": "is", "have": "has", "fit": "fits"} if singular else {"are": "are", "have": "have", "fit": "fit"}
    return f"{_amount(values, noun)} {text.format(items=items, **verbs)}"


def _of_system(runs: pd.DataFrame) -> list[str]:
    """Return one sentence per kind, on the evaluated items and on the training items."""
    parts = [count_sentences(_counts(runs, prefix), item) for prefix, item in PARTS.items()]
    kinds = dict.fromkeys(kind for part in parts for kind in part)
    return ["; ".join(part[kind] for part in parts if kind in part) for kind in kinds]


def _counts(runs: pd.DataFrame, prefix: str) -> dict[str, list[int]]:
    """Return the counts of one part in every run that has them; fixed columns such as `train_loss` are not counts."""
    names = [name for name in runs.columns if name.startswith(prefix) and name not in RUNS.names]
    return {name.removeprefix(prefix): [int(value) for value in runs[name].dropna()] for name in names}


def _amount(values: Sequence[int], noun: str) -> str:
    """Write an amount: `1 word`, `893 words`, `40 to 60 words`."""
    return f"{_number(values)} {noun}" if max(values) == 1 else f"{_number(values)} {noun}s"


def _number(values: Sequence[int]) -> str:
    low, high = min(values), max(values)
    return str(high) if low == high else f"{low} to {high}"


def _named(systems: Sequence[str], all_of_them: int) -> str:
    return "all systems" if len(systems) == all_of_them > 1 else listed(systems)


def listed(names: Sequence[str]) -> str:
    """Return the first names, and how many more there are."""
    more = f" and {len(names) - MOST_SYSTEMS_NAMED} more" if len(names) > MOST_SYSTEMS_NAMED else ""
    return ", ".join(names[:MOST_SYSTEMS_NAMED]) + more
