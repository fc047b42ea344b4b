"""The usual names of columns: what holds a system, a seed, an item or a metric, what is a setting, what is neither."""

from __future__ import annotations

from analysis.tables.foreign.table import plain_name, words_of

SYSTEM = (
    *("system", "model", "model_name", "model_name_or_path", "model_id", "method", "approach", "variant", "algorithm"),
    *("algo", "architecture", "arch", "backbone", "classifier", "estimator", "learner", "agent"),
)
SEED = ("seed", "random_seed", "random_state", "rng_seed", "train_seed", "training_seed", "run_seed", "torch_seed")
REPETITION = ("run", "repeat", "repetition", "replicate", "rep", "trial")  # a seed if they hold whole numbers
ITEM = ("item", "item_id", "doc_id", "sample_id", "question_id", "example_id", "instance_id", "problem_id")
STATE = ("status", "state")
KEYS = ("split_seed", "fold")
DATA_SET = ("task", "dataset")
KEPT = ("recipe", "metric", "stage", "control", "run_id", "settings_id", "score_split", "selected_on")

_METRICS = frozenset((
    "acc", "accuracy", "f1", "precision", "recall", "auc", "auroc", "auprc", "em", "exact", "exact_match", "bleu",
    "rouge", "rouge1", "rouge2", "rougel", "chrf", "meteor", "mcc", "matthews", "kappa", "spearman", "pearson",
    "spearmanr", "pearsonr", "map", "mrr", "ndcg", "score", "reward", "return", "r2", "jaccard", "iou", "dice",
    "success", "winrate", "correct",
))  # fmt: skip
SMALLER_IS_BETTER = frozenset((
    "loss", "error", "err", "perplexity", "ppl", "wer", "cer", "mae", "mse", "rmse", "nll", "bpb", "fid", "regret",
    "latency", "brier", "ece",
))  # fmt: skip
_OUTCOMES = frozenset((
    "eval", "val", "valid", "validation", "test", "dev", "predict", "metric", "metrics", "stderr", "std", "sem", "best",
    "runtime", "time", "duration", "elapsed", "seconds", "secs", "minutes", "hours", "memory", "mem", "throughput",
    "flos", "energy", "co2",
))  # fmt: skip
_BOOKKEEPING = frozenset((
    "", "id", "ids", "name", "uuid", "url", "uri", "link", "path", "note", "notes", "comment", "comments", "tag",
    "tags", "user", "author", "owner", "date", "created", "updated", "started", "finished", "start", "end", "timestamp",
    "host",
    "hostname", "node", "machine", "gpu", "cpu", "device", "hardware", "pid", "version", "commit", "git", "sha", "hash",
    "fingerprint", "artifact", "dir", "folder", "file", "filename", "checkpoint", "sweep", "unnamed", "index", "log",
    "email", "source", "job", "number", "error", "message",
))  # fmt: skip
_SETTINGS = frozenset((
    "lr", "learning", "rate", "batch", "bs", "wd", "decay", "dropout", "warmup", "epochs", "hidden", "layers", "heads",
    "dim", "size", "optimizer", "optim", "scheduler", "schedule", "temperature", "rank", "length", "prompt", "shots",
    "fewshot", "set", "fraction", "ratio", "split", "beta", "gamma", "momentum", "clip", "precision_mode", "fp16",
    "bf16", "benchmark", "language", "lang", "domain", "params", "parameters", "width", "depth", "patience", "samples",
))  # fmt: skip


def is_smaller_better(name: str) -> bool:
    """Return whether a column's name says that its smaller values are the better ones."""
    words = words_of(name)
    return bool(words & SMALLER_IS_BETTER) and not words & _METRICS


def is_metric(name: str) -> bool:
    """Return whether a column's name says that it holds scores of which the larger is the better."""
    words = words_of(name)
    return bool(words & _METRICS or plain_name(name) in _METRICS) and not words & (
        SMALLER_IS_BETTER | {"stderr", "std"}
    )


def is_setting(name: str) -> bool:
    """Return whether a column's name says that it holds a setting: something that a person chose."""
    words = words_of(name)
    return bool(words & _SETTINGS) and not words & _METRICS and not words & {"runtime", "second", "per"}


def is_outcome(name: str) -> bool:
    """Return whether a column's name says that it came out of a run, or only keeps track of it: never a setting."""
    if is_setting(name):
        return False
    words = words_of(name)
    return bool(words & (_METRICS | SMALLER_IS_BETTER | _OUTCOMES | _BOOKKEEPING)) or name.startswith("_")
