"""Proposes the key that someone meant: other tools' names for our settings, other spellings, other sections.

An unknown key is looked for in this order: here under another name (`lr`), in another section, here with a typing
error, in another section with one.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel

from orchestrator.config.yaml_file import KeyPath

LONGEST_TO_COMPARE = 60
TOP_LEVEL = "the top level"
A_MODEL = ("models", "NAME")

_OTHER_NAMES: dict[str, str] = {
    "experiment": "name experiment_name project run_name",
    "question": "title description hypothesis",
    "task": "task_name task_type problem problem_type",
    "task_options": "options task_args task_config",
    "data": "dataset datasets dataset_name data_path data_file data_files train_file",
    "models": "model model_name model_names model_name_or_path checkpoint checkpoints pretrained_model",
    "recipes": "variants recipe techniques methods strategies",
    "seeds": "seed random_seed random_state random_seeds pairing seed_pairing",
    "train": "training train_args training_args training_arguments trainer hyperparameters hyperparams params",
    "adapt": "pretrain pretraining continued_pretraining domain_adaptation dapt tapt",
    "compare": "comparison evaluation statistics analysis",
    "search": "hyperparameter_search hpo tune tuning sweep",
    "resources": "hardware compute cluster",
    "save": "save_model save_best save_strategy",
    "keep_epochs": "save_total_limit keep_checkpoints",
    "init_from": "start_from resume_from resume_from_checkpoint warm_start",
    "epochs": "epoch num_epochs n_epochs num_train_epochs train_epochs max_epochs nb_epochs",
    "batch_size": "bs batch batchsize train_batch_size per_device_train_batch_size per_gpu_train_batch_size "
    "per_device_batch_size global_batch_size mini_batch_size",
    "learning_rate": "lr base_lr max_lr peak_lr initial_lr init_lr step_size",
    "weight_decay": "wd decay l2 weight_decay_rate",
    "betas": "beta adam_betas beta1 beta2 beta_1 beta_2 adam_beta1 adam_beta2",
    "epsilon": "eps adam_eps adam_epsilon",
    "schedule": "scheduler lr_scheduler lr_schedule lr_scheduler_type scheduler_type learning_rate_schedule",
    "warmup": "warmup_ratio warmup_steps num_warmup_steps warmup_proportion warmup_fraction warm_up",
    "plateau_factor": "factor lr_factor",
    "plateau_patience": "lr_patience",
    "clip": "gradient_clip gradient_clipping gradient_clip_val grad_clip clip_grad clip_norm clip_grad_norm "
    "max_grad_norm max_norm",
    "max_length": "max_len maxlen max_seq_length max_seq_len max_sequence_length seq_length seq_len sequence_length "
    "model_max_length max_tokens",
    "dropout": "dropout_rate dropout_prob dropout_p hidden_dropout hidden_dropout_prob",
    "early_stopping": "patience early_stop early_stopping_patience",
    "mask": "mlm_probability mask_prob mask_probability masking",
    "accumulation": "gradient_accumulation gradient_accumulation_steps grad_accum accumulate_grad_batches",
    "workers_per_run": "num_workers workers nproc_per_node world_size",
    "lanes": "parallel parallel_runs max_concurrent max_concurrent_trials n_jobs num_jobs",
    "gpus_per_worker": "gpus num_gpus n_gpu n_gpus gpus_per_trial devices",
    "checkpoint_minutes": "save_steps checkpoint_interval",
    "path": "file filename file_path filepath data_path data_file folder directory local_path "
    "model_name_or_path name_or_path",
    "hub": "hub_id repo repo_id repository huggingface hf hf_id",
    "revision": "commit branch tag version",
    "columns": "column column_names fields text_column label_column text_col label_col text_field label_field",
    "delimiter": "sep separator",
    "format": "type file_type file_format",
    "limit": "max_samples max_train_samples num_samples max_items subset nrows head",
    "validation": "val valid dev eval val_size validation_size validation_split val_split dev_size valid_size "
    "eval_size dev_file dev_files valid_file validation_file validation_files eval_file",
    "test": "test_size test_split holdout test_file test_files",
    "split_column": "split_col part part_column partition",
    "folds": "k cv kfold k_fold k_folds n_folds num_folds n_splits num_splits",
    "stratify": "stratified",
    "seed": "random_state random_seed",
    "train_items": "train_size num_train max_train_samples n_train",
    "precision": "dtype torch_dtype fp16 bf16 amp half mixed_precision",
    "random_init": "pretrained from_scratch scratch random_weights",
    "overrides": "config model_config config_overrides model_kwargs",
    "tokenizer": "tokenizer_args tokenizer_kwargs tokenizer_name",
    "metric": "metrics metric_name metric_for_best_model monitor score objective",
    "direction": "mode greater_is_better",
    "alpha": "significance significance_level p_value lora_alpha",
    "resamples": "bootstrap bootstraps n_bootstrap num_bootstrap n_resamples bootstrap_samples",
    "controls": "control baseline baselines",
    "parameters": "space param_space search_space parameter_space config_space",
    "trials": "n_trials num_trials max_trials num_samples n_iter",
    "hours": "time time_limit timeout time_budget budget",
    "searcher": "sampler algorithm algo search_alg",
    "reduction_factor": "eta",
    "min_epochs": "grace_period min_t min_resource",
    "rank": "r lora_r lora_rank",
    "targets": "target_modules modules",
}
_MEANT: dict[str, list[str]] = {
    name: [key for key, names in _OTHER_NAMES.items() if name in names.split()]
    for name in " ".join(_OTHER_NAMES.values()).split()
}


def unknown_key(path: KeyPath, model: type[BaseModel]) -> str:
    """Return what is wrong with the unknown key at `path` below `model`, and which key was probably meant."""
    key, here = str(path[-1]), list(fields_at(model, path[:-1]))
    elsewhere = _elsewhere(model, path[:-1]) if here else {}
    said = f"unknown key {_short(key)!r}"
    by_name = _by_name(key, here)
    if by_name:
        return f"{said}; did you mean {by_name!r}?"
    at_the_top = [name for name, section in elsewhere.items() if section == TOP_LEVEL]
    by_name = _by_name(key, at_the_top) or _by_name(key, elsewhere)
    near = None if by_name else _near(key, here)
    place = by_name or (None if near else _near(key, elsewhere))
    if place:
        at = elsewhere[place]
        where = f"at {at}" if at == TOP_LEVEL else f"under {at!r}"
        return f"{said}; did you mean {place!r} {where}?"
    question = f"; did you mean {near!r}?" if near else ";"
    return f"{said}{question} known: {', '.join(here) or 'none'}"


def suggestion(name: str, known: Iterable[str]) -> str:
    """Return `; did you mean 'x'? known: x, y`, without the question if no name is close."""
    return _listed(_near(name, list(known)), known)


def setting_suggestion(key: str, known: Iterable[str]) -> str:
    """Return the same for a setting, which may have another name elsewhere; `known` may be dotted (`train.epochs`)."""
    names = list(known)
    by_last = {name.rpartition(".")[2]: name for name in reversed(names)}
    meant = _by_name(key.rpartition(".")[2], by_last)
    return _listed(by_last[meant] if meant else _near(key, names), names)


def _listed(meant: str | None, known: Iterable[str]) -> str:
    question = f"; did you mean {meant!r}?" if meant else ";"
    return f"{question} known: {', '.join(known) or 'none'}"


def _by_name(key: str, known: Iterable[str]) -> str | None:
    """Return the key that this is another name or another spelling of."""
    names = {_plain(name): name for name in known}
    plain = _plain(key)
    return next((names[name] for name in (plain, *_MEANT.get(plain, ())) if name in names), None)


def _plain(key: str) -> str:
    """Return a key as we spell keys: `Weight-Decay`, `weightDecay` and `weight decay` are `weight_decay`."""
    if len(key) > LONGEST_TO_COMPARE:
        return key
    return re.sub(r"[\s-]+", "_", re.sub(r"(?<=[a-z])(?=[A-Z])", "_", key.strip().lstrip("-"))).lower()


def _near(key: str, known: Iterable[str]) -> str | None:
    if len(key) > LONGEST_TO_COMPARE:
        return None
    return next(iter(difflib.get_close_matches(_plain(key), list(known), n=1)), None)


def _short(key: str) -> str:
    return key if len(key) <= LONGEST_TO_COMPARE else f"{key[: LONGEST_TO_COMPARE - 3]}..."


def _elsewhere(model: type[BaseModel], here: KeyPath) -> dict[str, str]:
    """Return every key of the other sections, with its section; of two sections, the first one in the file's order."""
    places: dict[str, str] = {}
    for section, names in _sections(model):
        if section != here:
            for name in names:
                places.setdefault(name, ".".join(map(str, section)) or TOP_LEVEL)
    return places


def _sections(model: type[BaseModel]) -> Iterator[tuple[KeyPath, Mapping[str, Any]]]:
    yield (), model.model_fields
    for name in model.model_fields:
        yield (name,), fields_at(model, (name,))
    if A_MODEL[0] in model.model_fields:
        yield A_MODEL, fields_at(model, A_MODEL)


def fields_at(model: type[BaseModel], path: KeyPath) -> Mapping[str, Any]:
    """Return the fields of the model at `path` below `model`; {} if no model is there."""
    annotation: Any = model
    for part in path:
        annotation = _inner(annotation, part)
    inner = _model_in(annotation)
    return {} if inner is None else inner.model_fields


def _inner(annotation: Any, part: str | int) -> Any:
    model = _model_in(annotation)
    if model is not None:
        field = model.model_fields.get(str(part))
        return None if field is None else field.annotation
    arguments = get_args(_unwrapped(annotation))
    return arguments[-1] if arguments else None


def _unwrapped(annotation: Any) -> Any:
    while get_origin(annotation) is Annotated:
        annotation = get_args(annotation)[0]
    return annotation


def _model_in(annotation: Any) -> type[BaseModel] | None:
    annotation = _unwrapped(annotation)
    if isinstance(annotation, type) and get_origin(annotation) is None and issubclass(annotation, BaseModel):
        return annotation
    if get_origin(annotation) in (Union, UnionType):
        return next((model for model in map(_model_in, get_args(annotation)) if model is not None), None)
    return None
