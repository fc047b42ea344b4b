"""What repeats a report: lines for a shell that, in an empty folder, make its results and then the report again."""

from __future__ import annotations

import math
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from analysis.config import CompareConfig
from analysis.formatting import visible
from analysis.report import differing_settings
from analysis.result import Analysis
from analysis.yaml_text import dump

OPTIONS = ("metric", "direction", "alpha", "rope")  # the parts of `compare` that `orchestrate analyze` has options for
END = "END"


def reproduction(analysis: Analysis) -> dict[str, Any]:
    """What the report shows: the lines, whether they make the runs too, and what the runs recorded."""
    return {
        "lines": lines(analysis),
        "repeats_runs": any(origin.can_be_repeated for origin in analysis.results.origins),
        "provenance": _recorded(analysis.results.runs) | differing_settings.flat(analysis.provenance),
    }


def lines(analysis: Analysis) -> list[str]:
    """Each experiment as it was resolved, written to a file and run; then the analysis, with the options it had.

    An experiment that was run in several places is run once. A source without one has to be at hand.
    """
    declared = (analysis.results.experiment or {}).get("compare") or {}
    options, rules = _changed(analysis.options, CompareConfig.model_validate(declared))
    made: dict[str, _Made] = {}
    sources = []
    for origin in analysis.results.origins:
        if origin.experiment is None or not origin.can_be_repeated:
            sources.append(origin.label)
            continue
        text = experiment_text(_with_rules(origin.experiment, rules))
        names = [other.name for other in made.values()]
        made.setdefault(text, _Made(text, origin.experiment["experiment"], origin.made_by, names))
    sources = [*(one.folder for one in made.values()), *sources] or list(analysis.results.sources)
    written = [line for one in made.values() for line in one.lines()]
    return [*written, " ".join(["orchestrate analyze", *map(quoted, sources), *options, *_generator_seed(analysis)])]


@dataclass(frozen=True)
class _Made:
    """One experiment that is run again: its file's text, its name, by which commands, and the names of those before."""

    text: str
    name: str
    made_by: tuple[str, ...]
    before: list[str]

    @property
    def folder(self) -> str:
        """Where its results go: for the first of a name, where they go by themselves."""
        return f"results/{len(self.before) + 1}/{self.name}" if self.name in self.before else f"results/{self.name}"

    def lines(self) -> list[str]:
        """The lines that write the file and run it."""
        file = f"experiment-{len(self.before) + 1}.yaml" if self.before else "experiment.yaml"
        out = ["--out", self.folder] if self.name in self.before else []
        commands = [how.split() for how in self.made_by]
        runs = [shlex.join(["orchestrate", verb, file, *options, *out]) for verb, *options in commands]
        return [f"cat > {file} <<'{END}'", *self.text.splitlines(), END, *runs]


def experiment_text(experiment: Mapping[str, Any]) -> str:
    """The experiment as YAML that the product and readers of YAML 1.1 read alike, all of it visible in print.

    Nothing is folded, so that no line is a part of a text alone: none can pass for the end of the file. Text that acts
    on a screen is in double quotes, where the escapes of `visible` are YAML's own.
    """
    return visible_lines(dump(experiment, width=math.inf))


def visible_lines(text: str) -> str:
    """The text with what would act on a screen written as escapes, but for the ends of its lines."""
    return "\n".join(map(visible, text.split("\n")))


def quoted(text: str) -> str:
    """One word for bash, zsh and their like; what would act on a screen is escaped."""
    if visible(text) == text:
        return shlex.quote(text)
    return "$'" + "".join(map(_escaped, text)) + "'"


def _escaped(character: str) -> str:
    if visible(character) != character:
        return "".join(f"\\x{byte:02x}" for byte in character.encode("utf-8", "surrogateescape"))
    return f"\\{character}" if character in "\\'" else character


def _changed(chosen: CompareConfig, declared: CompareConfig) -> tuple[list[str], dict[str, Any]]:
    """What was compared by other rules than declared: as options, and what no option says, as keys of the file."""
    before = declared.model_dump(mode="json")
    rules = {name: value for name, value in chosen.model_dump(mode="json").items() if value != before[name]}
    said = [name for name in OPTIONS if rules.get(name) is not None]
    options = [word for name in said for word in (f"--{name}", quoted(str(rules.pop(name))))]
    return options, rules


def _with_rules(experiment: Mapping[str, Any], rules: Mapping[str, Any]) -> Mapping[str, Any]:
    return {**experiment, "compare": {**(experiment.get("compare") or {}), **rules}} if rules else experiment


def _generator_seed(analysis: Analysis) -> list[str]:
    seed = analysis.provenance.get("generator_seed", 0)
    return ["--generator-seed", str(seed)] if seed else []


def _recorded(runs: pd.DataFrame) -> dict[str, str]:
    """Fingerprint, commits and versions that the runs recorded; several values where runs mix them."""
    versions = sorted(name for name in runs.columns if name.endswith("_version"))
    names = ["dataset_fingerprint", "git_commit", "orchestrate_commit", *versions]
    known = [name for name in names if name in runs.columns and runs[name].notna().any()]
    return {name: ", ".join(sorted(map(str, runs[name].dropna().unique()))) for name in known}
