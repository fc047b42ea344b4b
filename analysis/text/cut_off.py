"""Says what models were not given of their items, or cannot be right about: nothing is dropped silently.

Runs count it for the items they were scored on and for those they were trained on, in columns `evaluation_<count>` and
`train_<count>`; what a count is of, and in which words it is told, stands here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from analysis.tables.schema import RUNS

if TYPE_CHECKING:
    import pandas as pd

PARTS = {"evaluation_": "evaluation item", "train_": "training item"}
ITEMS, WORDS = "truncated_items", "truncated_words"
OURS = "settings_id"  # a column that results of other tools lack
MOST_NAMED = 5
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
    more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    return ", ".join(names[:MOST_NAMED]) + more
