"""Collects everything that is wrong with an experiment, each at its line, so that all of it is reported at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pydantic import BaseModel, ValidationError

from orchestrator.config.error_messages import from_validation
from orchestrator.config.yaml_file import Document, KeyPath
from orchestrator.errors import InvalidExperiment, Problem
from trainables import registry


class Check:
    """Collects problems, each at its line of the document, so that all are reported at once."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self.problems: list[Problem] = []
        self.notes: list[str] = []

    def add(self, path: KeyPath, message: str) -> None:
        """One problem per line of the message."""
        self.problems += [self.document.problem(path, line) for line in message.splitlines()]

    def attempt(self, path: KeyPath, action: Callable[[], Any], model: type[BaseModel] | None = None) -> Any:
        """What `action` returns; None, and a problem at `path`, where it raises ValueError or cannot import a file.

        `model` is what a ValidationError is about.
        """
        try:
            return action()
        except ValidationError as error:
            self.problems += from_validation(error, self.document, model or BaseModel, path)
        except ValueError as error:
            self.add(path, str(error))
        except (ImportError, SyntaxError, NameError, AttributeError, TypeError) as error:
            if not registry.is_path(str(path[-1])) and not registry.is_path(str(self._written(path))):
                raise
            self.add(path, f"the file cannot be imported: {type(error).__name__}: {error}")
        return None

    def finish(self) -> None:
        """Raise InvalidExperiment if anything was wrong so far."""
        if self.problems:
            raise InvalidExperiment(self.document.source, self.problems)

    def _written(self, path: KeyPath) -> Any:
        try:
            return self.document.value(path)
        except (KeyError, IndexError, TypeError):
            return None
