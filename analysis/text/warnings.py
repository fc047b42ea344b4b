"""What a reader must know before believing an answer: warnings that follow from the runs and from the comparisons.

Nothing is dropped silently: runs count what models were not given of their items, or cannot be right about, for the
items they were scored on and for those they were trained on, in columns `evaluation_<count>` and `train_<count>`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from analysis.comparison.failure_sensitivity import Sensitivity
from analysis.comparison.pair import PairResult
from analysis.comparison.verdict import FEWEST_FOR_INTERVALS, FEWEST_FOR_VERDICT, FEWEST_WITHOUT_WARNING, in_common
from analysis.config import CompareConfig
from analysis.inference.pairing import describe_key
from analysis.tables.schema import RUNS
from analysis.text.headline import about_control, missed_by, number

Rows = Sequence[Mapping[str, Any]]
MOST_NAMED = 10
_NO_BASELINE = (
    "runs without a score cannot be scored at the majority baseline: it takes item predictions or a collapsed run"
)


def about_systems(systems: pd.DataFrame) -> list[str]:
    """Selected on evaluation data, collapsed runs, seeds without effect, systems without a score."""
    found = []
    marked = systems.loc[systems["selected_on_evaluation"], "system"].tolist()
    if marked:
        every = "all systems" if len(marked) == len(systems) else ", ".join(marked)
        found.append(f"selected on evaluation data: {every} report the best epoch by the very scores that are reported")
    for row in systems.to_dict("records"):
        if row["collapsed"]:
            share = f"{row['collapsed']} of {row['runs']} runs"
            found.append(f"{row['system']}: {share} collapsed (the same answers whatever the item says); they stay in")
        if row["n"] > 1 and row["min"] == row["max"]:
            found.append(f"{row['system']}: seed has no effect: all {row['n']} scores are {number(row['min'])}")
        if row["n"] == 0:
            found.append(f"{row['system']}: no run has a score")
    return found


def about_pairs(rows: Rows, results: Sequence[PairResult], unit: str) -> list[str]:
    """Runs without a partner, and numbers of seeds (or what `unit` says) in common that say little."""
    found = [
        f"{row['a']} against {row['b']}: {_partnerless(result.dropped, unit)}"
        for row, result in zip(rows, results, strict=True)
        if result.dropped
    ]
    sizes = sorted({result.n for result in results})
    return _first(found, "dropped_pairs") + [said for size in sizes if (said := _about_size(size, unit)) is not None]


def _partnerless(dropped: Sequence[tuple[Any, ...]], unit: str) -> str:
    keys = "; ".join(describe_key(key, unit) for key in dropped[:MOST_NAMED])
    more = "; ..." if len(dropped) > MOST_NAMED else ""
    return f"{len(dropped)} {'run has' if len(dropped) == 1 else 'runs have'} no partner: {keys}{more}"


def _first(found: list[str], column: str) -> list[str]:
    """Of many sentences the first ten, and the column that has the others."""
    if len(found) <= MOST_NAMED:
        return found
    return [*found[:MOST_NAMED], f"the same of {len(found) - MOST_NAMED} more pairs: {column} in statistical_tests.csv"]


def _about_size(n: int, unit: str) -> str | None:
    if n < FEWEST_FOR_INTERVALS:
        return f"{in_common(n, unit)}: descriptive only"
    if n < FEWEST_FOR_VERDICT:
        return f"{in_common(n, unit)}: intervals, but no verdict"
    if n < FEWEST_WITHOUT_WARNING:
        return f"{in_common(n, unit)}: tests with so few rest on their assumptions; 10 or more are better"
    return None


def about_failures(rows: Rows, config: CompareConfig) -> list[str]:
    """Failure rates that differ: whoever fails more is compared on its lucky runs."""
    found = [
        f"{row['a']} against {row['b']}: failure rates differ by {abs(row['failure_difference']):.0%} "
        f"(Fisher p {number(row['failure_p'])})"
        + ("; the verdict was allowed all the same" if config.allow_unequal_failures else "")
        for row in rows
        if row["failure_difference"]
    ]
    return _first(found, "failure_difference")


def about_sensitivity(found: Sensitivity) -> list[str]:
    """What becomes of the verdicts where runs without a score count as majority-class runs, or why nobody knows."""
    if found.lacks_baseline:
        return [_NO_BASELINE]
    if found.pairs.empty:
        return []
    changed = [
        f"{row['a']} against {row['b']} ({row['main_verdict']} -> {row['verdict']})"
        for row in found.pairs[found.pairs["changed"].astype(bool)].to_dict("records")
    ]
    said = f"change {'; '.join(changed[:MOST_NAMED])}" if changed else "change no verdict"
    baseline = found.pairs["baseline"].iloc[0]
    return [f"runs without a score, taken at the majority baseline ({baseline:.4g}), {said}"]


def about_controls(rows: Rows, controls: Mapping[str, str], config: CompareConfig, known: set[str]) -> list[str]:
    """A negative control must come out worse than every system that is none, or the experiment cannot see harm."""
    found = [
        f"control {name!r} is not a system or recipe of these runs" for name in config.controls if name not in known
    ]
    missed = [about_control(name, rows, controls) for name in controls if missed_by(name, rows, controls)]
    return found + [f"{text[0].lower()}{text[1:].removesuffix('.')}" for text in missed]


PARTS = {"evaluation_": "evaluation item", "train_": "training item"}
ITEMS, WORDS = "truncated_items", "truncated_words"
OURS = "settings_id"  # a column that results of other tools lack
MOST_SYSTEMS_NAMED = 5
_HARMLESS = ("windows",)  # counts that say nothing is missing
_SAID = {
    "words_without_pieces": ("word", "of {items} {have} no pieces in the tokenizer: such words are never right"),
    "white_space_words": ("word", "of {items} {are} white space only and not scored"),
    "answers_in_no_window": ("answer", "to {items} {are} whole in no window of train.max_length pieces"),
}


def about_runs(runs: pd.DataFrame) -> list[str]:
    """What was cut off or not scored in these runs, one sentence a kind; systems of which the same is true together.

    Tables that other tools made say nothing: their columns of these names may hold anything.
    """
    if OURS not in runs.columns:
        return []
    found: dict[str, list[str]] = {}
    systems = sorted({str(name) for name in runs["system"]})
    for system in systems:
        for text in _of_system(runs[runs["system"].astype(str) == system]):
            found.setdefault(text, []).append(system)
    return [f"{_named(names, len(systems))}: {text}" for text, names in found.items()]


def said(counts: Mapping[str, Sequence[int]], item: str, limit: str = "train.max_length") -> dict[str, str]:
    """kind -> what is true of these items; `counts` has the numbers of one or more runs, which may differ."""
    numbers = {name: values for name, values in counts.items() if any(values) and name not in _HARMLESS}
    found = {}
    cut, words = numbers.pop(ITEMS, ()), numbers.pop(WORDS, ())
    if cut or words:
        who = f"{_amount(cut, item)} {'loses' if max(cut) == 1 else 'lose'}" if cut else f"{item}s lose"
        found[ITEMS] = f"{who} {_amount(words, 'word') if words else 'pieces'} to {limit}"
    return found | {name: _sentence(name, values, f"{item}s") for name, values in numbers.items()}


def _sentence(name: str, values: Sequence[int], items: str) -> str:
    """What one count says; a task of the user's may count what has no words here."""
    if name not in _SAID:
        return f"{_number(values)} {name.replace('_', ' ')} of {items}"
    noun, text = _SAID[name]
    verbs = {"are": "is", "have": "has"} if max(values) == 1 else {"are": "are", "have": "have"}
    return f"{_amount(values, noun)} {text.format(items=items, **verbs)}"


def _of_system(runs: pd.DataFrame) -> list[str]:
    """One sentence a kind: of the evaluated items, and of those that trained."""
    parts = [said(_counts(runs, prefix), item) for prefix, item in PARTS.items()]
    kinds = dict.fromkeys(kind for part in parts for kind in part)
    return ["; ".join(part[kind] for part in parts if kind in part) for kind in kinds]


def _counts(runs: pd.DataFrame, prefix: str) -> dict[str, list[int]]:
    """The counts of one part in every run that has them; fixed columns (`train_loss`, say) are none."""
    names = [name for name in runs.columns if name.startswith(prefix) and name not in RUNS.names]
    return {name.removeprefix(prefix): [int(value) for value in runs[name].dropna()] for name in names}


def _amount(values: Sequence[int], noun: str) -> str:
    """`1 word`, `893 words`, `40 to 60 words`."""
    return f"{_number(values)} {noun}" if max(values) == 1 else f"{_number(values)} {noun}s"


def _number(values: Sequence[int]) -> str:
    low, high = min(values), max(values)
    return str(high) if low == high else f"{low} to {high}"


def _named(systems: Sequence[str], all_of_them: int) -> str:
    return "all systems" if len(systems) == all_of_them > 1 else listed(systems)


def listed(names: Sequence[str]) -> str:
    """The first names, and how many more there are."""
    more = f" and {len(names) - MOST_SYSTEMS_NAMED} more" if len(names) > MOST_SYSTEMS_NAMED else ""
    return ", ".join(names[:MOST_SYSTEMS_NAMED]) + more
