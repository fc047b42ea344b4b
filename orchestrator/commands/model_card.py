"""Writes the card of an exported model: task, data, scores over all seeds, settings, and how to load it.

The Hugging Face Hub reads the front matter: base model, data set, licence and this model's own scores. All of it comes
from files on this machine; what they do not say is left out.
"""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import yaml

from analysis.yaml_text import dump
from orchestrator.errors import UserError
from orchestrator.storage import Store
from trainables import registry
from trainables.tasks.multi_label_classification import UNTUNED

if TYPE_CHECKING:
    from huggingface_hub import EvalResult, ModelCardData

logger = logging.getLogger(__name__)
PIPELINES = {  # the hub's names for our tasks; a user's own task has none
    "AutoModelForTokenClassification": "token-classification",
    "AutoModelForSequenceClassification": "text-classification",
    "AutoModelForQuestionAnswering": "question-answering",
    "AutoModelForMaskedLM": "fill-mask",
    "AutoModelForCausalLM": "text-generation",
}
_WITHOUT_PIPELINE = (
    "AutoModelForQuestionAnswering",
    "AutoModelForCausalLM",
)  # gone from the library, or cannot use our prompt
_MANY_LABELS = "multi_label_classification"  # the library's name for a loss over independent labels
_METRIC = "metric_"
_NO_ANSWER = "no_answer_threshold"
HUB_METRICS = {  # the hub's names (https://hf.co/metrics) for our metrics; the others keep our names
    **dict.fromkeys(("accuracy", "subset_accuracy"), "accuracy"),
    **dict.fromkeys(("f1", "macro_f1", "micro_f1", "weighted_f1", "span_f1", "span_f1_strict", "answer_f1"), "f1"),
    **{name: name for name in ("exact_match", "matthews_correlation", "perplexity")},
}
CARD_BYTES = 1_000_000
_HEADS = ("TokenClassification", "SequenceClassification", "QuestionAnswering", "MaskedLM", "CausalLM")


def row_of(store: Store, run_id: str) -> dict[str, Any]:
    """Return a run's row of the `runs` table. Raises UserError before the first compaction."""
    table = store.table("runs")
    rows = [] if table is None else [row for row in table.to_pylist() if row["run_id"] == run_id]
    if not rows:
        raise UserError(f"run {run_id} is not in {store.location}/runs.parquet; run the sweep again to complete it")
    return dict(rows[0])


def card(store: Store, run_id: str, task: Mapping[str, Any], source: str) -> str:
    """Return the card as Markdown, with the front matter that the hub reads.

    `task` is the content of the exported `task.json`; `source` is the hub id or folder of the base model.
    """
    row = row_of(store, run_id)
    configuration = json.loads(store.weights(run_id).read("config.json"))
    auto_class = _auto_class(configuration)
    title = f"{row['system']} for {str(row['task']).replace('_', ' ')} on {row['dataset']}"
    use = (loading(auto_class, configuration, task), decision_rule(configuration, task))
    parts = (f"# {title}", _origin(row, task), _scores(store, row), _settings(task), *use, _limits(store, row))
    front: dict[str, Any] = metadata(row, task, source, PIPELINES.get(auto_class)).to_dict()  # type: ignore[no-untyped-call]
    return f"---\n{dump(front)}---\n\n" + "\n\n".join(part for part in parts if part) + "\n"


def metadata(
    row: Mapping[str, Any], task: Mapping[str, Any], source: str, pipeline: str | None = None
) -> ModelCardData:
    """Return what the hub reads, from a run's row, the exported `task.json` and the base model's hub id or folder.

    Licence and language come from the base model's card, the language only if it is a single one.
    """
    from huggingface_hub import ModelCardData

    model, data = task["config"]["model"], task["config"]["data"]
    is_drawn = bool(model.get("random_init"))
    base = None if is_drawn else base_card(source, model.get("revision"))
    hub = _hub_dataset(row, data)
    scores = eval_results(row, hub, data.get("revision"), pipeline)
    return ModelCardData(
        base_model=None if is_drawn or Path(source).is_absolute() else source,
        datasets=[hub.partition(":")[0]] if hub else None,
        language=_only(base, "language"),
        license=_only(base, "license"),
        license_name=_only(base, "license_name"),
        license_link=_only(base, "license_link"),
        library_name="transformers",
        pipeline_tag=pipeline,
        tags=["orchestrate"],
        metrics=sorted({one.metric_type for one in scores} & set(HUB_METRICS.values())) or None,
        model_name=f"{row['system']}-seed{row['seed']}" if scores else None,
        eval_results=scores or None,
    )


def eval_results(
    row: Mapping[str, Any], hub: str | None, revision: str | None, pipeline: str | None
) -> list[EvalResult]:
    """Return this run's scores. `hub` is the data set's id on the hub, if any: `owner/name` or `owner/name:config`."""
    from huggingface_hub import EvalResult

    identity, _, configuration = (hub or "").partition(":")
    values = {name.removeprefix(_METRIC): row[name] for name in row if name.startswith(_METRIC)}
    return [
        EvalResult(
            task_type=pipeline or str(row["task"]).replace("_", "-"),
            dataset_type=identity or str(row["dataset"]),
            dataset_name=str(row["dataset"]),
            dataset_config=configuration or None,
            dataset_split=str(row["score_split"]),
            dataset_revision=revision if hub else None,
            metric_type=HUB_METRICS.get(name, name),
            metric_name=_title(name),
            metric_value=float(value),
        )
        for name, value in sorted(values.items())
        if value is not None and math.isfinite(value)
    ]


def _title(metric: str) -> str:
    known = metric in registry.names("metric")
    return str(registry.load("metric", metric).title) if known else metric.replace("_", " ")


def _hub_dataset(row: Mapping[str, Any], data: Mapping[str, Any]) -> str | None:
    """Return the data set's id on the hub, if the experiment or the data set's own file names one."""
    if data.get("hub"):
        return str(data["hub"])
    name = row["dataset"]
    source = registry.load("dataset", name).hub if name in registry.names("dataset") else None
    return None if source is None else str(source.id)


def base_card(source: str, revision: str | None) -> dict[str, Any]:
    """Return the front matter of the base model's card, from its folder or the local cache; empty if there is none.

    Downloads nothing. Logs why a card cannot be read, and returns nothing from it.
    """
    from huggingface_hub import ModelCard, try_to_load_from_cache

    path = Path(source) / "README.md"
    if not Path(source).is_absolute():
        cached = try_to_load_from_cache(source, "README.md", revision=revision)
        path = Path(cached) if isinstance(cached, str) else path
    if not path.is_file() or path.stat().st_size > CARD_BYTES:
        return {}
    try:
        front: dict[str, Any] = ModelCard.load(path, ignore_metadata_errors=True).data.to_dict()
    except (OSError, ValueError, TypeError, yaml.YAMLError) as error:  # the last two: invalid front matter
        logger.warning("%s cannot be read, so the model card names no licence of the base model: %s", path, error)
        return {}
    return front


def _only(card: Mapping[str, Any] | None, key: str) -> str | None:
    """Return a card's single text for a key; None if it has none, or several."""
    value = (card or {}).get(key)
    only = value[0] if isinstance(value, list) and len(value) == 1 else value
    return only if isinstance(only, str) else None


def _origin(row: Mapping[str, Any], task: Mapping[str, Any]) -> str:
    start = f", started from run `{row['init_from']}`" if row["init_from"] else ""
    return (
        f"`{row['model']}` trained for {row['task']} on {row['dataset']} ({_licence(row)}), seed {row['seed']}{start}. "
        f"The weights are those of epoch {row['best_epoch']}, the best by {row['metric']} on the validation part."
        + (f" Its head: {task['head']}." if task.get("head") else "")
    )


def _licence(row: Mapping[str, Any]) -> str:
    known = registry.names("dataset")
    licence = registry.load("dataset", row["dataset"]).licence if row["dataset"] in known else "licence not known"
    return f"{licence}; content SHA-256 `{str(row['dataset_fingerprint'])[:16]}`"


def _scores(store: Store, row: Mapping[str, Any]) -> str:
    """Return a table of this run's metrics beside those of all seeds of its system."""
    runs = pd.DataFrame(store.table("runs").to_pylist())  # type: ignore[union-attr]
    same = runs[(runs["settings_id"] == row["settings_id"]) & runs["score"].notna()]
    names = [name for name in map(str, runs) if name.startswith(_METRIC) and row.get(name) is not None]
    lines = [
        f"Scores on the {row['score_split']} part ({row['evaluation_items']} items; trained on {row['train_items']}):",
        "",
        f"| metric | this model | mean of {len(same)} runs | standard deviation |",
        "|---|---|---|---|",
    ]
    for name in names:
        spread = f"{same[name].std(ddof=1):.4f}" if len(same) > 1 else "-"
        lines.append(f"| {name.removeprefix(_METRIC)} | {row[name]:.4f} | {same[name].mean():.4f} | {spread} |")
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
    """Return the known versions and commits: `torch 2.11.0, git commit 1a2b3c`."""
    known = {name.removesuffix("_version").replace("_", " "): value for name, value in versions.items() if value}
    return ", ".join(f"{name} {value}" for name, value in known.items())


def loading(auto_class: str, configuration: Mapping[str, Any], task: Mapping[str, Any]) -> str:
    """Describe how to load the model, from the content of `config.json` and `task.json`."""
    code = ", trust_remote_code=True" if configuration.get("auto_map") else ""
    has_pipeline = auto_class in PIPELINES and auto_class not in _WITHOUT_PIPELINE
    names = ["AutoTokenizer", auto_class, *(["pipeline"] if has_pipeline else [])]
    lines = ["How to load it:", "", "```python", f"from transformers import {', '.join(names)}", ""]
    lines += ['folder = "path/or/hub-name"', f"tokenizer = AutoTokenizer.from_pretrained(folder{code})"]
    lines += [f"model = {auto_class}.from_pretrained(folder{code})"]
    if has_pipeline:
        more = _arguments(auto_class, configuration, task)
        lines += [f'ask = pipeline("{PIPELINES[auto_class]}", model=model, tokenizer=tokenizer{more})']
    lines += ["```", ""]
    if code:
        lines += ["Its architecture comes as code (`auto_map` in config.json), which runs only if you allow it.", ""]
    thresholds = " with its thresholds" if task["decisions"] else ""
    lines += [f'To predict exactly as evaluated{thresholds}: `orchestrate predict FOLDER "a text"`.']
    return "\n".join(lines)


def _arguments(auto_class: str, configuration: Mapping[str, Any], task: Mapping[str, Any]) -> str:
    """Return the arguments that make a pipeline predict as the model was evaluated."""
    if auto_class == "AutoModelForTokenClassification":
        return ', aggregation_strategy="first"'
    if auto_class != "AutoModelForSequenceClassification":
        return ""
    scores = ", top_k=None" if configuration.get("problem_type") == _MANY_LABELS else ""
    return f"{scores}, truncation=True, max_length={task['max_length']}"


def decision_rule(configuration: Mapping[str, Any], task: Mapping[str, Any]) -> str:
    """Describe how scores become predictions, unless the highest score simply wins."""
    options, thresholds = task["task_options"], task["decisions"]
    if configuration.get("problem_type") == _MANY_LABELS:
        threshold = options.get("threshold")
        default = threshold if isinstance(threshold, float) else UNTUNED
        head = "A text gets every label whose score reaches the label's threshold"
        more = ", or else the label with the highest score" if options.get("at_least_one") else ""
        return _thresholds(f"{head}{more}:", {label: thresholds.get(label, default) for label in task["labels"]})
    if _NO_ANSWER in options:
        head = (
            "A question gets the best span over all windows, or no answer where the null score (start plus end of the"
        )
        more = "first token, the lowest of the windows) exceeds that of the span by more than the threshold:"
        return _thresholds(f"{head} {more}", {_NO_ANSWER: options[_NO_ANSWER], **thresholds})
    return _thresholds("Thresholds:", thresholds) if thresholds else ""


def _thresholds(head: str, values: Mapping[str, float]) -> str:
    return "\n".join([head, "", *(f"- threshold of {name}: {value:.6g}" for name, value in values.items())])


def _limits(store: Store, row: Mapping[str, Any]) -> str:
    """Return the results' remarks on their data; an adaptation has other data, and gets none."""
    if row["stage"] != "fine-tune":
        return ""
    notes = store.notes()
    return "Remarks on the results:\n\n" + "\n".join(f"- {note}" for note in notes) if notes else ""


def _auto_class(configuration: Mapping[str, Any]) -> str:
    """Return the Auto class that loads the model, from the architecture's name in its configuration."""
    architectures = configuration.get("architectures") or [""]
    head = next((head for head in _HEADS if architectures[0].endswith(head)), None)
    return f"AutoModelFor{head}" if head else "AutoModel"
