"""Describe a search in sentences: what was tried and how, and what it cost."""

from __future__ import annotations

from analysis.formatting import better, exists, listing, plural, whole
from analysis.search.findings import Findings
from analysis.search.settings import short_names

_STOPPED_BY = {
    "asha": "asynchronous successive halving",
    "hyperband": "Hyperband",
    "median": "the median stopping rule",
}
_SEARCHERS = {
    "random": "random search",
    "grid": "a grid",
    "tpe": "a tree-structured Parzen estimator",
}


def trials(findings: Findings) -> str:
    """Say how many trials searched what, how they were proposed, stopped and compared."""
    settings = findings.settings
    names = short_names([parameter.name for parameter in settings.parameters])
    searched = listing([names[parameter.name] for parameter in settings.parameters]) or "nothing"
    how = _SEARCHERS.get(settings.searcher or "", settings.searcher)
    return (
        f"{plural(len(findings.trials), 'trial')} of {plural(len(findings.systems), 'system')} searched {searched}"
        f"{f', proposed by {how}' if how else ''}{_stopping(findings)}. Trials were compared by {findings.metric} on "
        f"the validation part ({better(findings.direction)}); the first trial of each system has the experiment's own "
        "settings."
    )


def _stopping(findings: Findings) -> str:
    name = findings.settings.scheduler
    if name in (None, "none"):
        return ", and all ran to the end" if name else ""
    longest = findings.trials["whole_epochs"].max()
    rungs = findings.settings.rungs(int(longest)) if exists(longest) else []
    after = f" after epoch {listing([str(rung) for rung in rungs])}" if rungs else ""
    return f"; weak trials were stopped early by {_STOPPED_BY.get(str(name), name)}{after}"


def budget(findings: Findings) -> str:
    """Say how many epochs were run, of how many without early stopping, and how long they took."""
    spent = findings.budget
    run, share = plural(int(spent["epochs_run"] or 0), "epoch"), spent["epochs_share"]
    of = ""
    if share is not None:
        every = whole(spent["epochs_to_the_end"])
        of = f", {share:.0%} of the {every} that all trials would have taken without early stopping"
    return f"This took {run}{of}{_time(spent['seconds'])}."


def _time(seconds: float | None) -> str:
    if seconds is None:
        return ""
    unit, size = ("hours", 3600.0) if seconds >= 7200 else ("minutes", 60.0) if seconds >= 120 else ("seconds", 1.0)
    return f", and {seconds / size:.3g} {unit} summed over the trials"
