"""Finds the head of a model: the weights that belong to the task, and whether a checkpoint's head is for this task.

A head gives one output per label. What a checkpoint learned for other labels says nothing about these, even if there
are equally many: its k-th output would be taken for the k-th label here.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

_KIND = re.compile(r"For(\w+)$")
_PREDICT_TOKENS = ("LM", "PreTraining")  # these predict tokens: they are pretrained, whatever the task
_FIXED_OUTPUTS = "QuestionAnswering"  # start and end, whatever names a configuration has for them
_SHOWN = 5


@dataclass(frozen=True)
class Outputs:
    """What a head is for: kind of task, labels and kind of loss; None where the configuration does not say.

    `kind` is what follows "For" in the name of a class; `problem` is the library's `problem_type`, e.g.
    "single_label_classification".
    """

    kind: str | None
    labels: tuple[str, ...]
    problem: str | None = None

    @classmethod
    def of_class(cls, auto_class: str, labels: Sequence[str], problem: str | None) -> Outputs:
        """Return the outputs of the class that a task asks for: "AutoModelFor..."."""
        return cls(_kind(auto_class), tuple(map(str, labels)), problem)

    @classmethod
    def of_checkpoint(cls, configuration: Any) -> Outputs:
        """Return the outputs that weights are for, by their configuration before this task changes it."""
        architectures = getattr(configuration, "architectures", None) or [""]
        names: dict[Any, Any] = getattr(configuration, "id2label", None) or {}
        labels = tuple(str(names[index]) for index in sorted(names))
        return cls(_kind(str(architectures[0])), labels, getattr(configuration, "problem_type", None))

    @property
    def are_labels(self) -> bool:
        """Whether there is one output per label, and not one per token of the vocabulary."""
        return self.kind is not None and not self.kind.endswith(_PREDICT_TOKENS)

    def serve(self, other: Outputs) -> bool:
        """Return whether a head with these outputs serves the other's. Unknown values count as equal."""
        kinds, problems = {self.kind, other.kind} - {None}, {self.problem, other.problem} - {None}
        if len(kinds) > 1 or len(problems) > 1:
            return False
        return self.labels == other.labels or other.kind == _FIXED_OUTPUTS

    def __str__(self) -> str:
        """Return the text for messages: `token classification (PER, LOC, ORG)`."""
        kind = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", self.kind or "").lower() or "an unnamed task"
        problem = f"; {self.problem.replace('_', ' ')}" if self.problem else ""
        return f"{kind} ({listed(self.labels)}{problem})"


@dataclass(frozen=True)
class Head:
    """The names of the parameters that belong to the task, those among them without weights, and a remark for the user.

    `own` parameters train whatever a technique freezes. `remark` is None if the checkpoint has no head for labels.
    """

    own: frozenset[str] = frozenset()
    missing: frozenset[str] = frozenset()
    remark: str | None = None


def head_of(module: nn.Module, missing: frozenset[str], theirs: Outputs, ours: Outputs) -> Head:
    """Return the head of a model that was just loaded. Weights that came with a head for another task count as missing.

    `missing` are the parameters that the checkpoint lacks or has in another shape. A layer outside the body that comes
    without an output for labels (ModernBERT has one) belongs to the pretrained model, not to the head of a task.
    """
    outside = outside_body(module)
    if not ours.are_labels or not outside:
        return Head()
    if not theirs.are_labels and (theirs.kind is not None or _output(module, outside) <= missing):
        return Head(outside & missing, outside & missing)
    if not theirs.serve(ours):
        _build_again(module, outside - missing)
        return Head(outside, outside, f"the head of the checkpoint is for {theirs}: a new one is drawn for this task")
    kept = None if outside <= missing else f"the head of the checkpoint, for {theirs}, is this task's and is kept"
    return Head(outside, outside & missing, kept)


def listed(labels: Sequence[str]) -> str:
    """Return `PER, LOC, ORG`: the first few labels, and how many more there are."""
    more = f" and {len(labels) - _SHOWN} more" if len(labels) > _SHOWN else ""
    return ", ".join(labels[:_SHOWN]) + more


def outside_body(module: nn.Module) -> frozenset[str]:
    """Return the names of the parameters that are not part of the model's body."""
    body: Any = getattr(module, "base_model", module)
    inside = {id(parameter) for parameter in body.parameters()}
    return frozenset(name for name, parameter in module.named_parameters() if id(parameter) not in inside)


def owners(module: nn.Module) -> dict[str, nn.Module]:
    """Return the layer of every parameter, by the parameter's full name, in the order of the layers."""
    return {
        f"{prefix}.{name}" if prefix else name: owner
        for prefix, owner in module.named_modules()
        for name, _ in owner.named_parameters(recurse=False)
    }


def _output(module: nn.Module, outside: frozenset[str]) -> frozenset[str]:
    """Return the parameters of the last layer outside the body."""
    layers = {name: owner for name, owner in owners(module).items() if name in outside}
    last = list(layers.values())[-1]
    return frozenset(name for name, owner in layers.items() if owner is last)


def _build_again(module: Any, names: frozenset[str]) -> None:
    """Reset layers to their architecture's initial state: norms keep these constants, the rest is drawn later."""
    layers = owners(module)
    for name in names:
        parameter = layers[name].get_parameter(name.rpartition(".")[2])
        parameter._is_hf_initialized = False  # type: ignore[attr-defined]  # else the library skips it
    with torch.no_grad():
        for layer in {id(layers[name]): layers[name] for name in sorted(names)}.values():
            module._init_weights(layer)


def _kind(name: str) -> str | None:
    match = _KIND.search(name)
    return match[1] if match else None
