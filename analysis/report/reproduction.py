"""Write the shell lines that repeat a report: in an empty folder they run its experiments and its analysis."""

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

OPTIONS = ("metric", "direction", "alpha", "rope")  # keys of `compare` that are options of `orchestrate analyze`
END = "END"


def reproduction(analysis: Analysis) -> dict[str, Any]:
    """Return what the report shows: the lines, whether they repeat the runs too, and what the runs recorded."""
    return {
        "lines": lines(analysis),
        "repeats_runs": any(origin.can_be_repeated for origin in analysis.results.origins),
        "provenance": _recorded(analysis.results.runs) | differing_settings.flat(analysis.provenance),
    }


def lines(analysis: Analysis) -> list[str]:
    """Write each resolved experiment to a file and run it; then repeat the analysis with the same options.

    An experiment that was run in several folders is run once. A source without an experiment is expected to exist.
    """
    declared = (analysis.results.experiment or {}).get("compare") or {}
    options, rules = _changed(analysis.options, CompareConfig.model_validate(declared))
    repeated: dict[str, _Repeated] = {}
    sources = []
    for origin in analysis.results.origins:
        if origin.experiment is None or not origin.can_be_repeated:
            sources.append(origin.label)
            continue
        text = experiment_text(_with_rules(origin.experiment, rules))
        names = [other.name for other in repeated.values()]
        repeated.setdefault(text, _Repeated(text, origin.experiment["experiment"], origin.made_by, names))
    sources = [*(one.folder for one in repeated.values()), *sources] or list(analysis.results.sources)
    written = [line for one in repeated.values() for line in one.lines()]
    return [*written, " ".join(["orchestrate analyze", *map(quoted, sources), *options, *_generator_seed(analysis)])]


@dataclass(frozen=True)
class _Repeated:
    """One experiment to run again: the text of its file, its name, its commands, and the names of those before it."""

    text: str
    name: str
    made_by: tuple[str, ...]
    before: list[str]

    @property
    def folder(self) -> str:
        """Return where its results go: the default folder for the first experiment of a name."""
        return f"results/{len(self.before) + 1}/{self.name}" if self.name in self.before else f"results/{self.name}"

    def lines(self) -> list[str]:
        """Return the lines that write the file and run it."""
        file = f"experiment-{len(self.before) + 1}.yaml" if self.before else "experiment.yaml"
        out = ["--out", self.folder] if self.name in self.before else []
        commands = [how.split() for how in self.made_by]
        runs = [shlex.join(["orchestrate", verb, file, *options, *out]) for verb, *options in commands]
        return [f"cat > {file} <<'{END}'", *self.text.splitlines(), END, *runs]


def experiment_text(experiment: Mapping[str, Any]) -> str:
    """Return the experiment as YAML that our reader and YAML 1.1 readers read alike, all of it visible in print.

    Nothing is folded, so no line of a text can look like the end of the file. Text with control characters is in double
    quotes, where the escapes of `visible` are also YAML's.
    """
    return visible_lines(dump(experiment, width=math.inf))


def visible_lines(text: str) -> str:
    """Return the text with control characters as escapes, except for its line ends."""
    return "\n".join(map(visible, text.split("\n")))


def quoted(text: str) -> str:
    """Quote one word for bash, zsh and the like; control characters are escaped."""
    if visible(text) == text:
        return shlex.quote(text)
    return "$'" + "".join(map(_escaped, text)) + "'"


def _escaped(character: str) -> str:
    if visible(character) != character:
        return "".join(f"\\x{byte:02x}" for byte in character.encode("utf-8", "surrogateescape"))
    return f"\\{character}" if character in "\\'" else character


def _changed(chosen: CompareConfig, declared: CompareConfig) -> tuple[list[str], dict[str, Any]]:
    """Return the rules that differ from the declared ones: as options, or as keys of the file if there is no option."""
    before = declared.model_dump(mode="json")
    rules = {name: value for name, value in chosen.model_dump(mode="json").items() if value != before[name]}
    as_options = [name for name in OPTIONS if rules.get(name) is not None]
    options = [word for name in as_options for word in (f"--{name}", quoted(str(rules.pop(name))))]
    return options, rules


def _with_rules(experiment: Mapping[str, Any], rules: Mapping[str, Any]) -> Mapping[str, Any]:
    return {**experiment, "compare": {**(experiment.get("compare") or {}), **rules}} if rules else experiment


def _generator_seed(analysis: Analysis) -> list[str]:
    seed = analysis.provenance.get("generator_seed", 0)
    return ["--generator-seed", str(seed)] if seed else []


def _recorded(runs: pd.DataFrame) -> dict[str, str]:
    """Return the fingerprint, commits and versions that the runs recorded; several values if runs differ."""
    versions = sorted(name for name in runs.columns if name.endswith("_version"))
    names = ["dataset_fingerprint", "git_commit", "orchestrate_commit", *versions]
    known = [name for name in names if name in runs.columns and runs[name].notna().any()]
    return {name: ", ".join(sorted(map(str, runs[name].dropna().unique()))) for name in known}
