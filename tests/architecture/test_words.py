"""The field's word for each thing: no name says one of the words that the house has left."""

from __future__ import annotations

from pathlib import Path

from tests.architecture.layers import ROOT
from tests.architecture.words import SAY, count, words_of

ALSO_ENGLISH = {
    *("feed", "lease", "vary"),  # feed-forward layers, the lease of a lock, splits that vary
    *("answer", "place", "tell", "found"),  # answers to questions, decimal places, Python's `tell`
    *("problems", "decisions", "unsuited"),  # promised by exceptions and by stored files, and for the files of users
}


def test_no_name_says_an_old_word() -> None:
    names = count(ROOT)["names"]
    assert {word: names[word] for word in SAY if names[word] and word not in ALSO_ENGLISH} == {}


def test_words_are_found_in_names_of_every_form(tmp_path: Path) -> None:
    assert words_of("GangWatch") == words_of("_gangs_of") == words_of("the gang's") == ["gang"]
    (tmp_path / "analysis").mkdir()
    (tmp_path / "analysis" / "a.py").write_text('gang = "a crew"  # of pieces\n')
    counted = count(tmp_path)
    assert (dict(counted["names"]), dict(counted["prose"])) == ({"gang": 1}, {"crew": 1, "piece": 1})
