"""Validates a document as an experiment and goes on behind each error, so that all of them are reported at once.

A wrong key is left out and the rest is validated again: what only shows in a valid section (two settings that exclude
each other) is then in the same report as a typing error beside it.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from typing import Any

from pydantic import ValidationError

from orchestrator.config.error_messages import Details, by_key, worded
from orchestrator.config.experiment import Experiment
from orchestrator.config.yaml_file import Document, KeyPath
from orchestrator.errors import Problem

MOST_PASSES = 5
_UNKNOWN = "extra_forbidden"
_REFERRING: KeyPath = ("compare", "controls")  # they name models and recipes
_REFERRED: tuple[KeyPath, ...] = (("models",), ("recipes",))


@dataclass(frozen=True)
class Validated:
    """What a document says: the experiment without the keys in `left_out`, and everything that is wrong with these.

    `experiment` is None if a needed key is missing or wrong. What is reported about a key that has been left out, or
    about a section that lacks it, may be due to that: `concerns` tells.
    """

    experiment: Experiment | None
    problems: tuple[Problem, ...]
    left_out: frozenset[KeyPath] = frozenset()

    def concerns(self, path: KeyPath) -> bool:
        """Return whether a problem at this key may only be there because keys have been left out."""
        if path[:2] == _REFERRING and any(key[:1] in _REFERRED for key in self.left_out):
            return True
        if any(path[:length] in self.left_out for length in range(1, len(path) + 1)):
            return True
        return any(key[: len(path)] == path for key in self.left_out)


def validated(document: Document) -> Validated:
    """Validate a document, again and again without the keys that are wrong."""
    content, problems = copy.deepcopy(document.content), list(document.problems)
    reported = {problem.key for problem in problems}
    left_out: set[KeyPath] = set()
    for _ in range(MOST_PASSES):
        try:
            experiment = Experiment.model_validate_json(json.dumps(content))
        except ValidationError as error:
            details = by_key(error, replace(document, content=content))
            new = dict(_of_present_keys(details, left_out))
            problems += [one for one in worded(new, document, Experiment) if one.key not in reported]
            wrong = {_removable(path): {one["type"] for one in of_key} for path, of_key in details.items()}
            removed = [path for path in wrong if _remove(content, path)]
            left_out |= {path for path, types in wrong.items() if types != {_UNKNOWN}}
            if not removed:
                break
        else:
            return Validated(experiment, tuple(problems), frozenset(left_out))
    return Validated(None, tuple(problems), frozenset(left_out))


def _of_present_keys(details: Details, left_out: Collection[KeyPath]) -> Iterator[tuple[KeyPath, Any]]:
    """Yield what does not follow from a key that has been left out: no section around one, nothing in it."""
    around = {key[:length] for key in left_out for length in range(len(key) + 1)}
    for path, of_key in details.items():
        if path not in around and not any(path[:length] in left_out for length in range(1, len(path))):
            yield path, of_key


def _removable(path: KeyPath) -> KeyPath:
    """Return the key to leave out: for an entry of a list that of the whole list, so that no other entry moves."""
    first = next((index for index, part in enumerate(path) if isinstance(part, int)), len(path))
    return path[:first]


def _remove(content: dict[str, Any], path: KeyPath) -> bool:
    """Remove what is at a path; return whether something was there."""
    inner: Any = content
    for part in path[:-1]:
        inner = inner.get(part) if isinstance(inner, dict) else None
    if not path or not isinstance(inner, dict) or path[-1] not in inner:
        return False
    del inner[path[-1]]
    return True
