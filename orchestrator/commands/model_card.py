"""What others must know of an exported model: task, data, scores over all seeds, settings, and how to load it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pandas as pd

from orchestrator.errors import UserError
from orchestrator.storage import Store
from trainables import registry
from trainables.tasks.multi_label_classification import UNTUNED

PIPELINES = {  # the hub's names for what our tasks do; a task of the user's own has none
    "AutoModelForTokenClassification": "token-classification",
    "AutoModelForSequenceClassification": "text-classification",
    "AutoModelForQuestionAnswering": "question-answering",
    "AutoModelForMaskedLM": "fill-mask",
    "AutoModelForCausalLM": "text-generation",
}
_WITHOUT_PIPELINE = ("AutoModelForQuestionAnswering", "AutoModelForCausalLM")  # gone, or knows nothing of our request
_MANY_LABELS = "multi_label_classification"  # what the library calls a loss that decides every label on its own
_NO_ANSWER = "no_answer_threshold"
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
    configuration = json.loads(store.weights(run_id).read("config.json"))
    auto_class = _auto_class(configuration)
    title = f"{row['system']} for {str(row['task']).replace('_', ' ')} on {row['dataset']}"
    front = ["---", "library_name: transformers"]
    front += [f"pipeline_tag: {PIPELINES[auto_class]}"] if auto_class in PIPELINES else []
    front += ["tags: [orchestrate]", "---", "", f"# {title}", "", ""]
    use = (loading(auto_class, configuration, task), deciding(configuration, task))
    parts = (_origin(row, task), _scores(store, row), _settings(task), *use, _limits(store, row))
    return "\n".join(front) + "\n\n".join(part for part in parts if part) + "\n"


def _origin(row: Mapping[str, Any], task: Mapping[str, Any]) -> str:
    start = f", started from run `{row['init_from']}`" if row["init_from"] else ""
    return (
        f"`{row['model']}` trained for {row['task']} on {row['dataset']} ({_licence(row)}), seed {row['seed']}{start}. "
        f"The weights are those of epoch {row['best_epoch']}, the best by {row['metric']} on the validation part."
        + (f" Of its head: {task['head']}." if task.get("head") else "")
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
    lines += [f"- {name}: {value}" for name, value in task["task_options"].items() if value is not None]
    return "Settings:\n\n" + "\n".join(
        [*lines, f"- precision: {task['config']['model']['precision']}", f"- {software(task['versions'])}"]
    )


def software(versions: Mapping[str, str | None]) -> str:
    """The versions and commits that are known: `torch 2.11.0, git commit 1a2b3c`."""
    known = {name.removesuffix("_version").replace("_", " "): value for name, value in versions.items() if value}
    return ", ".join(f"{name} {value}" for name, value in known.items())


def loading(auto_class: str, configuration: Mapping[str, Any], task: Mapping[str, Any]) -> str:
    """How anybody loads the model, from the content of `config.json` and `task.json`."""
    code = ", trust_remote_code=True" if configuration.get("auto_map") else ""
    piped = auto_class in PIPELINES and auto_class not in _WITHOUT_PIPELINE
    names = ["AutoTokenizer", auto_class, *(["pipeline"] if piped else [])]
    lines = ["How to load it:", "", "```python", f"from transformers import {', '.join(names)}", ""]
    lines += ['folder = "path/or/hub-name"', f"tokenizer = AutoTokenizer.from_pretrained(folder{code})"]
    lines += [f"model = {auto_class}.from_pretrained(folder{code})"]
    if piped:
        more = _arguments(auto_class, configuration, task)
        lines += [f'ask = pipeline("{PIPELINES[auto_class]}", model=model, tokenizer=tokenizer{more})']
    lines += ["```", ""]
    if code:
        lines += ["Its architecture comes as code (`auto_map` in config.json), which runs only if you allow it.", ""]
    decided = " with its thresholds" if task["decisions"] else ""
    lines += [f'Answers exactly as evaluated{decided}: `orchestrate predict FOLDER "a text"`.']
    return "\n".join(lines)


def _arguments(auto_class: str, configuration: Mapping[str, Any], task: Mapping[str, Any]) -> str:
    """What a pipeline has to be told to say what was evaluated."""
    if auto_class == "AutoModelForTokenClassification":
        return ', aggregation_strategy="first"'
    if auto_class != "AutoModelForSequenceClassification":
        return ""
    scores = ", top_k=None" if configuration.get("problem_type") == _MANY_LABELS else ""
    return f"{scores}, truncation=True, max_length={task['max_length']}"


def deciding(configuration: Mapping[str, Any], task: Mapping[str, Any]) -> str:
    """How scores become answers, where that takes more than the highest one."""
    options, decisions = task["task_options"], task["decisions"]
    if configuration.get("problem_type") == _MANY_LABELS:
        given = options.get("threshold")
        default = given if isinstance(given, float) else UNTUNED
        head = "A text gets every label whose score reaches the label's threshold"
        more = ", and if there is none the label with the highest score" if options.get("at_least_one") else ""
        return _thresholds(f"{head}{more}:", {label: decisions.get(label, default) for label in task["labels"]})
    if _NO_ANSWER in options:
        head = (
            "A question gets the best span over all windows, or no answer where the null score (start plus end of the"
        )
        more = "first piece, the lowest of the windows) exceeds that of the span by more than the threshold:"
        return _thresholds(f"{head} {more}", {_NO_ANSWER: options[_NO_ANSWER], **decisions})
    return _thresholds("Thresholds:", decisions) if decisions else ""


def _thresholds(head: str, values: Mapping[str, float]) -> str:
    return "\n".join([head, "", *(f"- threshold of {name}: {value:.6g}" for name, value in values.items())])


def _limits(store: Store, row: Mapping[str, Any]) -> str:
    """What every reader of the results is told of their data. That is not the data of an adaptation."""
    if row["stage"] != "fine-tune":
        return ""
    notes = store.notes()
    return "Remarks on the results:\n\n" + "\n".join(f"- {note}" for note in notes) if notes else ""


def _auto_class(configuration: Mapping[str, Any]) -> str:
    """The Auto class that loads the model, from the architecture's name in its configuration."""
    architectures = configuration.get("architectures") or [""]
    head = next((head for head in _HEADS if architectures[0].endswith(head)), None)
    return f"AutoModelFor{head}" if head else "AutoModel"
