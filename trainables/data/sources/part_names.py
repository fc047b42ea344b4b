"""Says which part of a data set, train, validation or test, a name means: of a file, or in a column of rows."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

TRAIN, VALIDATION, TEST = "train", "validation", "test"
PARTS = (TRAIN, VALIDATION, TEST)
KNOWN = "train, validation (or dev, valid, val), test (or eval)"

_SPELLINGS = {
    "train": TRAIN,
    "training": TRAIN,
    "validation": VALIDATION,
    "valid": VALIDATION,
    "val": VALIDATION,
    "dev": VALIDATION,
    "devel": VALIDATION,
    "development": VALIDATION,
    "testa": VALIDATION,  # of the shared tasks of CoNLL 2002 and 2003, with testb
    "testb": TEST,
    "test": TEST,
    "testing": TEST,
}
_EVALUATION = ("eval", "evaluation")  # validation in some data sets, test in others


def parts_of(names: Iterable[Any]) -> dict[Any, str | None]:
    """Return the part that each name means, whatever its case; None for a name of no part.

    `eval` is the validation part where no other name is one, else the test part where no other name is that.
    """
    words = {name: str(name).strip().lower() for name in names}
    known = {_SPELLINGS[word] for word in words.values() if word in _SPELLINGS}
    evaluation = next((part for part in (VALIDATION, TEST) if part not in known), None)
    return {name: evaluation if word in _EVALUATION else _SPELLINGS.get(word) for name, word in words.items()}


def word_of(file_name: str) -> str | None:
    """Return the word of a file's name that means a part (`train-00000-of-00002`, `my_dev`); None if not exactly one.

    Only the first and the last word count, so `plan-of-a-test-run` is no test part.
    """
    words = [word for word in re.split(r"[^a-z]+", file_name.lower()) if word not in ("", "of")]
    meant = dict.fromkeys(word for word in (*words[:1], *words[-1:]) if word in _SPELLINGS or word in _EVALUATION)
    return next(iter(meant)) if len(meant) == 1 else None
