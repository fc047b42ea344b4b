"""What others must know of an exported model: task, data, scores over all seeds, settings, and how to load it.

The front matter is what the Hugging Face Hub reads: base model, data set, licence and this model's own scores. All of
it comes from files of this machine, and what they do not say is left out.
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
PIPELINES = {  # the hub's names for what our tasks do; a task of the user's own has none
    "AutoModelForTokenClassification": "token-classification",
    "AutoModelForSequenceClassification": "text-classification",
    "AutoModelForQuestionAnswering": "question-answering",
    "AutoModelForMaskedLM": "fill-mask",
    "AutoModelForCausalLM": "text-generation",
}
_WITHOUT_PIPELINE = ("AutoModelForQuestionAnswering", "AutoModelForCausalLM")  # gone, or knows nothing of our request
_MANY_LABELS = "multi_label_classification"  # what the library calls a loss that decides every label on its own
_METRIC = "metric_"
_NO_ANSWER = "no_answer_threshold"
HUB_METRICS = {  # the hub's names (https://hf.co/metrics) for what ours measure; any other metric keeps our name
    **dict.fromkeys(("accuracy", "subset_accuracy"), "accuracy"),
    **dict.fromkeys(("f1", "macro_f1", "micro_f1", "weighted_f1", "span_f1", "span_f1_strict", "answer_f1"), "f1"),
    **{name: name for name in ("exact_match", "matthews_correlation", "perplexity")},
}
CARD_BYTES = 1_000_000
_HEADS = ("TokenClassification", "SequenceClassification", "QuestionAnswering", "MaskedLM", "CausalLM")


def row_of(store: Store, run_id: str) -> dict[str, Any]:
    """A run's row of the `runs` table. Raises UserError before the first compaction."""
    table = store.table("runs")
    rows = [] if table is None else [row for row in table.to_pylist() if row["run_id"] == run_id]
    if not rows:
        raise UserError(f"run {run_id} is not in {store.location}/runs.parquet; run the sweep again to complete it")
    return dict(rows[0])


def card(store: Store, run_id: str, task: Mapping[str, Any], source: str) -> str:
    """The card as Markdown with the front matter that the hub reads.

    `task` is the content of the exported `task.json`; `source` is the hub id or folder that the weights started from.
    """
    row = row_of(store, run_id)
    configuration = json.loads(store.weights(run_id).read("config.json"))
    auto_class = _auto_class(configuration)
    title = f"{row['system']} for {str(row['task']).replace('_', ' ')} on {row['dataset']}"
    use = (loading(auto_class, configuration, task), deciding(configuration, task))
    parts = (f"# {title}", _origin(row, task), _scores(store, row), _settings(task), *use, _limits(store, row))
    told: dict[str, Any] = metadata(row, task, source, PIPELINES.get(auto_class)).to_dict()  # type: ignore[no-untyped-call]
    return f"---\n{dump(told)}---\n\n" + "\n\n".join(part for part in parts if part) + "\n"


def metadata(
    row: Mapping[str, Any], task: Mapping[str, Any], source: str, pipeline: str | None = None
) -> ModelCardData:
    """What the hub reads, from a run's row, the exported `task.json`, and the hub id or folder of the base model.

    Licence and language are those that the base model's card says, the language only where it is a single one.
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
    """This run's scores. `hub` is the data set's id there, if it has one, as `owner/name` or `owner/name:config`."""
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
    """The data set's id on the hub, where the experiment or the data set's own file says one."""
    if data.get("hub"):
        return str(data["hub"])
    name = row["dataset"]
    source = registry.load("dataset", name).hub if name in registry.names("dataset") else None
    return None if source is None else str(source.id)


def base_card(source: str, revision: str | None) -> dict[str, Any]:
    """The front matter of the base model's card, from its folder or the local cache; empty where there is none.

    Nothing is downloaded. A card that cannot be read says nothing, and the log why.
    """
    from huggingface_hub import ModelCard, try_to_load_from_cache

    place = Path(source) / "README.md"
    if not Path(source).is_absolute():
        cached = try_to_load_from_cache(source, "README.md", revision=revision)
        place = Path(cached) if isinstance(cached, str) else place
    if not place.is_file() or place.stat().st_size > CARD_BYTES:
        return {}
    try:
        front: dict[str, Any] = ModelCard.load(place, ignore_metadata_errors=True).data.to_dict()
    except (OSError, ValueError, TypeError, yaml.YAMLError) as error:  # the last two: front matter that is none
        logger.warning("%s cannot be read, so the model card names no licence of the base model: %s", place, error)
        return {}
    return front


def _only(card: Mapping[str, Any] | None, key: str) -> str | None:
    """The one text that a card has for a key; None where there is none, or several."""
    value = (card or {}).get(key)
    only = value[0] if isinstance(value, list) and len(value) == 1 else value
    return only if isinstance(only, str) else None


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
    options, thresholds = task["task_options"], task["decisions"]
    if configuration.get("problem_type") == _MANY_LABELS:
        given = options.get("threshold")
        default = given if isinstance(given, float) else UNTUNED
        head = "A text gets every label whose score reaches the label's threshold"
        more = ", and if there is none the label with the highest score" if options.get("at_least_one") else ""
        return _thresholds(f"{head}{more}:", {label: thresholds.get(label, default) for label in task["labels"]})
    if _NO_ANSWER in options:
        head = (
            "A question gets the best span over all windows, or no answer where the null score (start plus end of the"
        )
        more = "first piece, the lowest of the windows) exceeds that of the span by more than the threshold:"
        return _thresholds(f"{head} {more}", {_NO_ANSWER: options[_NO_ANSWER], **thresholds})
    return _thresholds("Thresholds:", thresholds) if thresholds else ""


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
