"""What others must know of an exported model: task, data, scores over all seeds, settings, and how to load it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from orchestrator.errors import UserError
from orchestrator.storage import Store
from trainables import registry

PIPELINES = {  # the hub's names for what our tasks do; a task of the user's own has none
    "AutoModelForTokenClassification": "token-classification",
    "AutoModelForSequenceClassification": "text-classification",
    "AutoModelForQuestionAnswering": "question-answering",
    "AutoModelForMaskedLM": "fill-mask",
    "AutoModelForCausalLM": "text-generation",
}
_HEADS = ("TokenClassification", "SequenceClassification", "QuestionAnswering", "MaskedLM", "CausalLM")


def row_of(store: Store, run_id: str) -> dict[str, Any]:
    """A run's row of the `runs` table. Raises UserError before the first compaction."""
    table = store.table("runs")
    rows = [] if table is None else [row for row in table.to_pylist() if row["run_id"] == run_id]
    if not rows:
        raise UserError(f"run {run_id} is not in {store.location}/runs.parquet; run the sweep again to complete it")
    return dict(rows[0])


def card(store: Store, run_id: str, task: Mapping[str, Any]) -> str:
    """The card as Markdown with the front matter that the hub reads. `task` is the content of `task.json`."""
    row = row_of(store, run_id)
    auto_class = _auto_class(store, run_id)
    title = f"{row['system']} for {str(row['task']).replace('_', ' ')} on {row['dataset']}"
    front = ["---", "library_name: transformers"]
    front += [f"pipeline_tag: {PIPELINES[auto_class]}"] if auto_class in PIPELINES else []
    front += ["tags: [orchestrate]", "---", "", f"# {title}", "", ""]
    parts = (_origin(row), _scores(store, row), _settings(task), _loading(auto_class, task), _limits(store, row))
    return "\n".join(front) + "\n\n".join(part for part in parts if part) + "\n"


def _origin(row: Mapping[str, Any]) -> str:
    start = f", started from run `{row['init_from']}`" if row["init_from"] else ""
    return (
        f"`{row['model']}` trained for {row['task']} on {row['dataset']} ({_licence(row)}), seed {row['seed']}{start}. "
        f"The weights are those of epoch {row['best_epoch']}, the best by {row['metric']} on the validation part."
    )


def _licence(row: Mapping[str, Any]) -> str:
    known = registry.names("dataset")
    licence = registry.load("dataset", row["dataset"]).licence if row["dataset"] in known else "licence not known"
    return f"{licence}; content SHA-256 `{str(row['dataset_fingerprint'])[:16]}`"


def _scores(store: Store, row: Mapping[str, Any]) -> str:
    """This run's metrics beside those of all seeds of its system."""
    runs = pd.DataFrame(store.table("runs").to_pylist())  # type: ignore[union-attr]
    same = runs[(runs["settings_id"] == row["settings_id"]) & runs["score"].notna()]
    names = [name for name in map(str, runs) if name.startswith("metric_") and row.get(name) is not None]
    lines = [
        f"Scores on the {row['score_split']} part ({row['evaluation_items']} items; trained on {row['train_items']}):",
        "",
        f"| metric | this model | mean of {len(same)} runs | standard deviation |",
        "|---|---|---|---|",
    ]
    for name in names:
        spread = f"{same[name].std(ddof=1):.4f}" if len(same) > 1 else "-"
        lines.append(f"| {name.removeprefix('metric_')} | {row[name]:.4f} | {same[name].mean():.4f} | {spread} |")
    if row["score_split"] == "validation":
        lines += ["", "The epoch was chosen on the same part, so these scores are somewhat too high."]
    return "\n".join(lines)


def _settings(task: Mapping[str, Any]) -> str:
    train = {name: value for name, value in task["config"]["train"].items() if value is not None}
    lines = [f"- {name}: {value}" for name, value in train.items()]
    lines += [f"- {name}: {options or 'on'}" for name, options in task["config"]["variants"].items()]
    lines += [f"- threshold of {name}: {value:.6g}" for name, value in task["decisions"].items()]
    versions = ", ".join(f"{name} {value}" for name, value in task["versions"].items() if value)
    return "Settings:\n\n" + "\n".join(
        [*lines, f"- precision: {task['config']['model']['precision']}", f"- {versions}"]
    )


def _loading(auto_class: str, task: Mapping[str, Any]) -> str:
    lines = ["How to load it:", "", "```python", f"from transformers import AutoTokenizer, {auto_class}", ""]
    lines += ['folder = "path/or/hub-name"', "tokenizer = AutoTokenizer.from_pretrained(folder)"]
    lines += [f"model = {auto_class}.from_pretrained(folder)", "```", ""]
    decided = " with its thresholds" if task["decisions"] else ""
    lines += [f'Answers exactly as evaluated{decided}: `orchestrate predict FOLDER "a text"`.']
    return "\n".join(lines)


def _limits(store: Store, row: Mapping[str, Any]) -> str:
    """What every reader of the results is told of their data. That is not the data of an adaptation."""
    if row["stage"] != "fine-tune":
        return ""
    notes = store.notes()
    return "Remarks on the results:\n\n" + "\n".join(f"- {note}" for note in notes) if notes else ""


def _auto_class(store: Store, run_id: str) -> str:
    """The Auto class that loads the model, from the architecture's name in its configuration."""
    import json

    architectures = json.loads(store.weights(run_id).read("config.json")).get("architectures") or [""]
    head = next((head for head in _HEADS if architectures[0].endswith(head)), None)
    return f"AutoModelFor{head}" if head else "AutoModel"
