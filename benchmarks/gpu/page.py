"""The page of a GPU run: what was measured, section by section, from its rows alone, so that it is always whole."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from statistics import median
from typing import Any

Row = Mapping[str, Any]
FAIRNESS = (
    "Same items, batches of 8 and precision, one process a model, in turn; each side warm. Both are as they come: the "
    "Trainer updates every row of the embedding (50,265 of RoBERTa), ours those of the 4,005 words that the data has."
)
Columns = Sequence[tuple[str, Callable[[Row], Any]]]


def render(rows: Sequence[Row]) -> str:
    """The whole page as Markdown."""
    parts = ["# Measured on a GPU", *_calls(rows)]
    for section, title, shown in _SECTIONS:
        own = [row for row in rows if row.get("kind") == "row" and row["section"] == section]
        if own:
            parts += [f"## {title}", shown(own)]
    parts += _steps(rows)
    return "\n\n".join(part for part in parts if part) + "\n"


def table(columns: Columns, rows: Sequence[Row]) -> str:
    """A Markdown table; what a row lacks is a dash."""
    head = f"| {' | '.join(name for name, _ in columns)} |"
    body = [f"| {' | '.join(_cell(value(row)) for _, value in columns)} |" for row in rows]
    return "\n".join([head, f"|{' --- |' * len(columns)}", *body])


def last_of_each(rows: Sequence[Row]) -> list[Row]:
    """The newest row of every key, in the order in which keys came first."""
    return list({row["key"]: row for row in rows}.values())


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    text = f"{value:.4g}" if isinstance(value, float) else str(value)
    return text.replace("|", "\\|").replace("\n", " ")


def _calls(rows: Sequence[Row]) -> list[str]:
    """What each call of the command was, and on which machine."""
    lines = []
    for row in rows:
        if row.get("kind") == "call":
            facts = ", ".join(f"{name} {value}" for name, value in row["machine"].items())
            lines += [f"`{row['command']}`", facts]
            if row["rehearsal"]:
                lines.append("**A rehearsal with tiny models: no number here is a result.**")
    return lines


def _steps(rows: Sequence[Row]) -> list[str]:
    ends = [row for row in rows if row.get("kind") == "end"]
    if not ends:
        return []
    columns: Columns = (
        ("step", lambda row: row["step"]),
        ("how it ended", lambda row: row["result"]),
        ("seconds", lambda row: row.get("seconds")),
        ("why", lambda row: row.get("reason")),
    )
    return ["## Steps", table(columns, ends)]


def _of(name: str, factor: float = 1.0) -> Callable[[Row], Any]:
    def value(row: Row) -> Any:
        found = row.get(name)
        return found * factor if isinstance(found, int | float) and factor != 1.0 else found

    return value


_RESULT = (("result", _of("result")), ("why", _of("reason")))


def _correctness(rows: Sequence[Row]) -> str:
    """How many tests ended how; those that failed one by one, the others that did not pass by their reasons."""
    last = last_of_each(rows)
    results = Counter(row["result"] for row in last)
    counts = ", ".join(f"{count} {result}" for result, count in sorted(results.items()))
    failed = [row for row in last if row["result"] == "failed"]
    reasons = Counter(str(row.get("reason")) for row in last if row["result"] not in ("failed", "passed"))
    skipped = [{"why": reason, "tests": count} for reason, count in reasons.most_common()]
    parts = [
        counts,
        table((("failed", _of("key")), ("why", _of("reason")), ("seconds", _of("seconds"))), failed) if failed else "",
        table((("tests skipped", _of("tests")), ("why", _of("why"))), skipped) if skipped else "",
    ]
    return "\n\n".join(filter(None, parts))


def _speed(rows: Sequence[Row]) -> str:
    """Medians over the rounds; ratios to the stock Trainer of the same model."""
    rates = {row["precision"]: row["ceiling"] for row in rows if "ceiling" in row}
    needed = {row["model"]: row["operations_per_token"] for row in rows if "operations_per_token" in row}
    rounds = [row for row in rows if "round" in row]
    trainer = {row["model"]: _median(rounds, row["model"], "Trainer") for row in rounds}
    sides = list(dict.fromkeys((row["model"], row["side"]) for row in rounds))
    shown = []
    for model, side in sides:
        own = [row for row in rounds if (row["model"], row["side"]) == (model, side)]
        speed, peer = median(row["samples_per_second"] for row in own), trainer[model]
        shown.append(
            {
                "model": model,
                "side": side,
                "samples/s": _spread(own, "samples_per_second"),
                "of the Trainer's": speed / peer if peer else None,
                "tokens/s": median(row["tokens_per_second"] for row in own),
                "ms a step, p50": 1e3 * median(row["step_seconds_p50"] for row in own),
                "p95": 1e3 * median(row["step_seconds_p95"] for row in own),
                "peak GiB": max(row["peak_memory_gib"] for row in own),
                "of the ceiling": _share(own, needed.get(model), rates.get(own[0]["precision"])),
            }
        )
    names = ("model", "side", "samples/s", "of the Trainer's", "tokens/s", "ms a step, p50", "p95", "peak GiB")
    columns: Columns = [(name, _of(name)) for name in (*names, "of the ceiling")]
    ceilings = "; ".join(f"{precision} {rate / 1e12:.1f} TFLOP/s" for precision, rate in rates.items())
    said = f"{FAIRNESS}\n\nMatrix products: {ceilings}" if ceilings else FAIRNESS
    return "\n\n".join(filter(None, [said, table(columns, shown), _rest(rows)]))


def _median(rounds: Sequence[Row], model: str, side: str) -> float | None:
    own = [row["samples_per_second"] for row in rounds if (row["model"], row["side"]) == (model, side)]
    return median(own) if own else None


def _spread(rows: Sequence[Row], name: str) -> str:
    values = [row[name] for row in rows]
    return f"{median(values):.1f} ({min(values):.1f} to {max(values):.1f}, {len(values)} rounds)"


def _share(rows: Sequence[Row], per_token: float | None, ceiling: float | None) -> str | None:
    """Operations that training on the real tokens needs, over those of the best matrix product in that time."""
    if per_token is None or not ceiling:
        return None
    return f"{median(row['tokens_per_second'] for row in rows) * per_token / ceiling:.1%}"


def _recipes(rows: Sequence[Row]) -> str:
    columns: Columns = (
        ("recipe", _of("key")),
        ("samples/s", _of("samples_per_second")),
        ("ms a step, p50", _of("step_seconds_p50", 1e3)),
        ("peak GiB", _of("peak_memory_gib")),
        ("the study's samples/s (T4)", _of("study_samples_per_second")),
        ("the study's peak MiB", _of("study_peak_mib")),
        *_RESULT,
    )
    return table(columns, last_of_each(rows))


def _several(rows: Sequence[Row]) -> str:
    columns: Columns = (
        ("what", _of("key")),
        ("models at a time", _of("models")),
        ("runs an hour", _of("runs_per_hour")),
        ("model steps a second", _of("model_steps_per_second")),
        ("of one alone", _of("of_one_alone")),
        ("GiB, all processes", _of("memory_gib")),
        ("largest difference of losses", _of("difference_of_losses")),
        *_RESULT,
    )
    return table(columns, last_of_each(rows))


def _grid(rows: Sequence[Row]) -> str:
    """Every run, then what thirty of them take: a model's first run as measured, nine as its median later one.

    The study took about an hour for them on eight B200; the target here is five minutes on one H200.
    """
    runs = [row for row in last_of_each(rows) if "seconds" in row and "seed" in row]
    names = ("model", "seed", "recipe", "seconds", "seconds_train", "seconds_eval", "seconds_setup", "peak_memory_gib")
    columns: Columns = [(name, _of(name)) for name in (*names, "samples_per_second", "status")]
    return "\n\n".join(filter(None, [table(columns, runs) if runs else "", _grid_sum(runs), _rest(rows)]))


def _grid_sum(runs: Sequence[Row]) -> str:
    per_model: dict[str, list[float]] = {}
    for row in runs:
        per_model.setdefault(row["model"], []).append(row["seconds"])
    if not per_model:
        return ""
    parts, total = [], 0.0
    for model, seconds in per_model.items():
        later = median(seconds[1:] or seconds)
        ten = seconds[0] + 9 * later
        total += ten
        parts.append(f"{model}: first run {seconds[0]:.1f} s, a later one {later:.1f} s, ten seeds {ten:.0f} s")
    missing = "" if len(per_model) == 3 else f" ({len(per_model)} of 3 models were measured)"
    whole = f"thirty runs, one after another on one card: {total / 60:.1f} minutes{missing}"
    study = "the study: about an hour on eight B200; target: 5 minutes on one H200"
    return "\n".join(f"- {part}" for part in [*parts, whole, study])


def _forecast(rows: Sequence[Row]) -> str:
    names = ("planned seconds", "measured seconds", "measured of planned", "planned GiB", "measured GiB")
    columns: Columns = [("what", _of("key")), *((name, _of(name.replace(" ", "_"))) for name in names), *_RESULT]
    return table(columns, last_of_each(rows))


def _rest(rows: Sequence[Row]) -> str:
    """What was left out or failed."""
    rest = [row for row in last_of_each(rows) if row["result"] not in ("measured", "whole")]
    return table((("what", _of("key")), *_RESULT), rest) if rest else ""


_SECTIONS: tuple[tuple[str, str, Callable[[Sequence[Row]], str]], ...] = (
    ("correctness", "Correctness", _correctness),
    ("speed", "Training speed beside the stock Trainer, bfloat16", _speed),
    ("several", "Several runs on one card", _several),
    ("grid", "The grid of cr-ecss: 3 models x 10 seeds, full size, random weights", _grid),
    ("forecast", "What the planner said", _forecast),
    ("recipes", "Recipes of the SQuAD study: BERT-base, batch 8 x 384", _recipes),
)
