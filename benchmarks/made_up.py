"""Full-size encoders with random weights and made-up text, for benchmarks of speed where nothing can be downloaded.

Architectures and settings are those of the studies: RoBERTa-base, DeBERTa-v3-large and ModernBERT-large label the words
of sentences (batch 8, at most 128 pieces), BERT-base answers questions (batch 8 x 384); all in bfloat16.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from trainables.config import DataConfig, ModelConfig, Precision, RunConfig, SplitConfig, TrainConfig

PRECISION: Precision = "bf16"
SPECIAL = {"pad": "[PAD]", "unk": "[UNK]", "cls": "[CLS]", "sep": "[SEP]", "mask": "[MASK]"}
WORDS, SENTENCES, QUESTIONS, CLASSES = 4000, 640, 400, 19
BATCH_SIZE = 8
TINY = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 64,
}


@dataclass(frozen=True)
class Study:
    """One model at the setting of its study. `size` is its configuration, `family` its architecture."""

    name: str
    family: str
    size: dict[str, Any]
    task: str = "token_classification"
    max_length: int = 128


_LARGE = {"hidden_size": 1024, "num_attention_heads": 16}
_DEBERTA = {
    "relative_attention": True,
    "pos_att_type": ["p2c", "c2p"],
    "position_buckets": 256,
    "norm_rel_ebd": "layer_norm",
    "share_att_key": True,
    "position_biased_input": False,
    "type_vocab_size": 0,
    "max_relative_positions": -1,
}
STUDIES = (
    Study("roberta-base", "roberta", {"vocab_size": 50265, "max_position_embeddings": 514, "type_vocab_size": 1}),
    Study(
        "deberta-v3-large",
        "deberta-v2",
        {**_LARGE, **_DEBERTA, "num_hidden_layers": 24, "intermediate_size": 4096, "vocab_size": 128100},
    ),
    Study(
        "modernbert-large",
        "modernbert",
        {**_LARGE, "num_hidden_layers": 28, "intermediate_size": 2624, "vocab_size": 50368},
    ),
    Study("bert-base (questions)", "bert", {"vocab_size": 30522}, "question_answering", 384),
    Study(
        "minilm-l6",
        "bert",
        {
            **{"hidden_size": 384, "num_hidden_layers": 6, "num_attention_heads": 12, "intermediate_size": 1536},
            "vocab_size": 30522,
        },
    ),
)


def configuration(study: Study, folder: Path, tiny: bool) -> RunConfig:
    """A run of this study on made-up text; model and data are written to `folder`, which may hold them already."""
    write_model(study, folder, tiny)
    items = 24 if tiny else SENTENCES if study.task == "token_classification" else QUESTIONS
    data = write_items(study, folder / "items.jsonl", items)
    return RunConfig(
        task=study.task,
        data=DataConfig(path=str(data)),
        model=ModelConfig(name=study.family, source=str(folder), precision="fp32" if tiny else PRECISION),
        train=TrainConfig(epochs=2, batch_size=BATCH_SIZE, learning_rate=3e-5, max_length=study.max_length),
        split=SplitConfig(validation=0.2),
        seed=42,
    )


def write_items(study: Study, path: Path, count: int) -> Path:
    """So many items of the study's task, in a file."""
    rows = _sentences(count) if study.task == "token_classification" else _questions(count)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def write_model(study: Study, folder: Path, tiny: bool) -> None:
    """A model of random weights as a pretrained one, without a head, and its tokenizer, unless the folder has them.

    The weights are drawn on the device, where there is one: on a processor those of a large model take seconds.
    """
    if (folder / "config.json").exists():
        return
    from transformers import AutoModel

    half = folder.with_name(f".{folder.name}")  # a kill leaves no folder that looks whole
    shutil.rmtree(half, ignore_errors=True)
    half.mkdir(parents=True)
    configuration = _write_configuration(study, half, tiny)
    torch.manual_seed(0)
    with torch.device("cuda" if torch.cuda.is_available() else "cpu"):
        model = AutoModel.from_config(configuration)
    model.save_pretrained(half)
    shutil.rmtree(folder, ignore_errors=True)
    half.rename(folder)


def _write_configuration(study: Study, folder: Path, tiny: bool) -> Any:
    """The configuration, and a tokenizer that makes one token of every word."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import AutoConfig

    vocabulary = {word: index for index, word in enumerate([*SPECIAL.values(), *map(_word, range(WORDS))])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token=SPECIAL["unk"]))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    ends = [(SPECIAL[name], vocabulary[SPECIAL[name]]) for name in ("cls", "sep")]
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=ends
    )
    tokenizer.save(str(folder / "tokenizer.json"))
    names = {f"{name}_token": token for name, token in SPECIAL.items()}
    inputs = ["input_ids", "attention_mask"] + (["token_type_ids"] if study.family == "bert" else [])
    settings = {"tokenizer_class": "PreTrainedTokenizerFast", "model_max_length": 512, "model_input_names": inputs}
    (folder / "tokenizer_config.json").write_text(json.dumps({**names, **settings}), encoding="utf-8")
    ids = {f"{name}_token_id": vocabulary[SPECIAL[name]] for name in ("pad", "cls", "sep")}
    ids |= {"bos_token_id": None, "eos_token_id": None}
    size = {**study.size, **TINY, "vocab_size": len(vocabulary)} if tiny else study.size
    return AutoConfig.for_model(study.family, **{**size, **ids})


def _word(number: int) -> str:
    return f"w{number}"


def _sentences(count: int) -> list[dict[str, Any]]:
    """Labelled sentences as long as those of CR_ECSS: log-normal, 37 pieces in the mean, a few beyond 128."""
    generator = np.random.default_rng(0)
    lengths = np.clip(generator.lognormal(3.45, 0.55, count), 4, 200).astype(int)
    rows = []
    for length in lengths:
        words = generator.integers(0, WORDS, length)
        rows.append({"words": [_word(word) for word in words], "labels": [f"class-{word % CLASSES}" for word in words]})
    return rows


def _questions(count: int) -> list[dict[str, Any]]:
    """Questions with paragraphs as long as those of SQuAD: log-normal, mean 150; a third has no answer."""
    generator = np.random.default_rng(0)
    rows = []
    for number in range(count):
        context = [
            _word(word) for word in generator.integers(0, WORDS, int(np.clip(generator.lognormal(4.95, 0.4), 30, 350)))
        ]
        place = int(generator.integers(0, len(context)))
        start = len(" ".join(context[:place])) + bool(place)
        answers = (
            {"text": [context[place]], "answer_start": [start]} if number % 3 else {"text": [], "answer_start": []}
        )
        question = " ".join(_word(word) for word in generator.integers(0, WORDS, 12))
        rows.append({"id": str(number), "question": question, "context": " ".join(context), "answers": answers})
    return rows
