"""Tiny random models of every family, with a tokenizer trained on the spot: real code paths in milliseconds."""

from __future__ import annotations

import functools
import json
import string
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

Family = Literal[
    "bert", "roberta", "deberta-v2", "modernbert", "distilbert", "electra", "llama", "qwen2", "gemma", "gemma2"
]
FAMILIES: tuple[Family, ...] = ("bert", "roberta", "deberta-v2", "modernbert")
ENCODERS: tuple[Family, ...] = (*FAMILIES, "distilbert", "electra")
DECODERS: tuple[Family, ...] = ("llama", "qwen2", "gemma", "gemma2")

SENTENCES = (
    "The power bus shall provide a regulated voltage of 28 V to the payload during eclipse .",
    "The data bus shall carry telemetry packets from the star tracker to the on-board computer .",
    "Thermal control of the battery shall keep the cell temperature between 0 and 20 degrees .",
    "The supplier shall verify by analysis that the tank withstands the launch loads .",
    "Radiation tests of the memory device shall be reported before the critical design review .",
    "No single failure of a reaction wheel shall lead to loss of the pointing of the antenna .",
    "The propulsion subsystem shall deliver a total impulse of 400 kN s with hydrazine .",
    "Each nonconformity shall be recorded , classified and closed by the review board .",
)
_SMALL: dict[str, Any] = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 64,
    "max_position_embeddings": 160,
}


def tiny_model(folder: Path, family: Family = "bert", seed: int = 0, **overrides: Any) -> Path:
    """Write config, safetensors and tokenizer of a random model (2 layers, 32 wide) into `folder`, and return it.

    Bare models have no task head, like the checkpoints people fine-tune. `overrides` change the configuration.
    """
    import torch
    from transformers import AutoConfig, AutoModel

    folder.mkdir(parents=True, exist_ok=True)
    vocabulary = _TOKENIZERS[family](folder)
    special = {f"{name}_token_id": vocabulary[token] for name, token in _special(family).items()}
    settings = {**_SMALL, "vocab_size": len(vocabulary), **special, **_FAMILY[family], **overrides}
    config = AutoConfig.for_model(family, **settings)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        AutoModel.from_config(config).save_pretrained(folder)
    return folder


def tiny_items(count: int = 24, offset: int = 0) -> list[dict[str, Any]]:
    """Items of a token-classification task that a tiny model can learn: a word's class follows from the word."""
    sentences = [SENTENCES[index % len(SENTENCES)].split() for index in range(count)]
    return [
        {"id": number, "words": words, "labels": [_label(word) for word in words]}
        for number, words in enumerate(sentences, start=offset)
    ]


def tiny_data(path: Path, count: int = 24) -> Path:
    """The items of `tiny_items` as a JSONL file, one sentence a row."""
    path.write_text("".join(json.dumps(item) + "\n" for item in tiny_items(count)), encoding="utf-8")
    return path


def _label(word: str) -> str:
    power = {"power", "voltage", "battery", "eclipse", "cell", "28", "V"}
    data = {"data", "telemetry", "packets", "computer", "memory", "device"}
    return "Power" if word in power else "Data" if word in data else "O"


def _special(family: Family) -> dict[str, str]:
    if family in DECODERS:
        return dict(_OF_DECODERS[family])
    if family in ("bert", "deberta-v2", "distilbert", "electra"):
        return {"pad": "[PAD]", "unk": "[UNK]", "cls": "[CLS]", "sep": "[SEP]", "mask": "[MASK]"}
    if family == "modernbert":
        return {"unk": "[UNK]", "cls": "[CLS]", "sep": "[SEP]", "pad": "[PAD]", "mask": "[MASK]"}
    return {"bos": "<s>", "pad": "<pad>", "eos": "</s>", "unk": "<unk>", "mask": "<mask>"}


# As published: Llama and Qwen have no padding token that their configuration knows, Gemma has one.
_OF_DECODERS: dict[str, dict[str, str]] = {
    "llama": {"bos": "<|begin_of_text|>", "eos": "<|end_of_text|>"},
    "qwen2": {"pad": "<|endoftext|>", "eos": "<|im_end|>"},
    "gemma": {"pad": "<pad>", "eos": "<eos>", "bos": "<bos>", "unk": "<unk>"},
    "gemma2": {"pad": "<pad>", "eos": "<eos>", "bos": "<bos>", "unk": "<unk>"},
}

_FAMILY: dict[str, dict[str, Any]] = {
    "bert": {},
    "distilbert": {"dim": 32, "n_layers": 2, "n_heads": 2, "hidden_dim": 64},
    "electra": {"embedding_size": 16},
    "llama": {"num_key_value_heads": 1, "pad_token_id": None},
    "qwen2": {"num_key_value_heads": 1, "pad_token_id": None},
    "gemma": {"num_key_value_heads": 1, "head_dim": 16},
    "gemma2": {"num_key_value_heads": 1, "head_dim": 16, "sliding_window": 16},
    "roberta": {"max_position_embeddings": 162, "type_vocab_size": 1},
    "deberta-v2": {
        "relative_attention": True,
        "pos_att_type": ["p2c", "c2p"],
        "position_buckets": 16,
        "norm_rel_ebd": "layer_norm",
        "share_att_key": True,
        "type_vocab_size": 0,
    },
    "modernbert": {
        "local_attention": 16,
        "global_attn_every_n_layers": 2,
        "bos_token_id": None,
        "eos_token_id": None,
    },
}


@functools.cache
def _wordpiece() -> str:
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

    special = list(_special("bert").values())
    words = sorted({word.lower() for sentence in SENTENCES for word in sentence.split()})
    letters = [*string.ascii_lowercase, *string.digits]
    inner = [f"##{piece}" for piece in (*letters, "ing", "er")]
    vocabulary = dict.fromkeys([*special, *letters, *inner, *words[::2]])
    tokenizer = Tokenizer(models.WordPiece({piece: index for index, piece in enumerate(vocabulary)}, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[(name, tokenizer.token_to_id(name)) for name in ("[CLS]", "[SEP]")],
    )
    return str(tokenizer.to_str())


@functools.cache
def _byte_level(family: Family) -> str:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    special = list(_special(family).values())
    tokenizer.train_from_iterator(
        SENTENCES,
        trainers.BpeTrainer(
            vocab_size=420,
            special_tokens=special,
            initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
            show_progress=False,
        ),
    )
    if family in DECODERS:
        return str(_with_beginning(tokenizer, _special(family).get("bos")).to_str())
    first, last = ("<s>", "</s>") if family == "roberta" else ("[CLS]", "[SEP]")
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{first} $A {last}",
        pair=f"{first} $A {last} $B {last}",
        special_tokens=[(name, tokenizer.token_to_id(name)) for name in (first, last)],
    )
    return str(tokenizer.to_str())


def _with_beginning(tokenizer: Any, bos: str | None) -> Any:
    """Decoders begin a text with a piece of their own, or with nothing (Qwen)."""
    from tokenizers import processors

    if bos is not None:
        tokenizer.post_processor = processors.TemplateProcessing(
            single=f"{bos} $A", pair=f"{bos} $A {bos}:1 $B:1", special_tokens=[(bos, tokenizer.token_to_id(bos))]
        )
    return tokenizer


@functools.cache
def _unigram() -> str:
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.Unigram())
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="always")
    special = ["[PAD]", "[CLS]", "[SEP]", "[UNK]"]
    tokenizer.train_from_iterator(
        SENTENCES,
        trainers.UnigramTrainer(vocab_size=180, special_tokens=special, unk_token="[UNK]", show_progress=False),
    )
    tokenizer.add_special_tokens(["[MASK]"])
    return str(tokenizer.to_str())


def _save_bert(folder: Path) -> dict[str, int]:
    return _save(folder, "bert", _wordpiece(), {"tokenizer_class": "BertTokenizer", "do_lower_case": True})


def _save_distilbert(folder: Path) -> dict[str, int]:
    return _save(folder, "distilbert", _wordpiece(), {"tokenizer_class": "DistilBertTokenizer", "do_lower_case": True})


def _save_electra(folder: Path) -> dict[str, int]:
    return _save(folder, "electra", _wordpiece(), {"tokenizer_class": "ElectraTokenizer", "do_lower_case": True})


def _save_decoder(family: Family) -> Callable[[Path], dict[str, int]]:
    settings = {"tokenizer_class": "PreTrainedTokenizerFast", "model_input_names": ["input_ids", "attention_mask"]}
    return lambda folder: _save(folder, family, _byte_level(family), settings)


def _save_roberta(folder: Path) -> dict[str, int]:
    names = {f"{name}_token": token for name, token in _special("roberta").items()}
    settings = {"tokenizer_class": "RobertaTokenizer", "cls_token": "<s>", "sep_token": "</s>", **names}
    return _save(folder, "roberta", _byte_level("roberta"), settings)


def _save_deberta(folder: Path) -> dict[str, int]:
    return _save(folder, "deberta-v2", _unigram(), {"tokenizer_class": "DebertaV2Tokenizer"})


def _save_modernbert(folder: Path) -> dict[str, int]:
    settings = {"tokenizer_class": "PreTrainedTokenizerFast", "model_input_names": ["input_ids", "attention_mask"]}
    return _save(folder, "modernbert", _byte_level("modernbert"), settings)


def _save(folder: Path, family: Family, tokenizer: str, settings: dict[str, Any]) -> dict[str, int]:
    from tokenizers import Tokenizer

    (folder / "tokenizer.json").write_text(tokenizer, encoding="utf-8")
    names = {f"{name}_token": token for name, token in _special(family).items()}
    settings = {**names, **settings, "model_max_length": 512}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings), encoding="utf-8")
    return dict(Tokenizer.from_str(tokenizer).get_vocab(with_added_tokens=True))


_TOKENIZERS: dict[str, Callable[[Path], dict[str, int]]] = {
    "bert": _save_bert,
    "roberta": _save_roberta,
    "deberta-v2": _save_deberta,
    "modernbert": _save_modernbert,
    "distilbert": _save_distilbert,
    "electra": _save_electra,
    **{family: _save_decoder(family) for family in DECODERS},
}
