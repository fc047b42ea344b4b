"""Says how many tokens of an item a model can read, and whether it has an embedding for every token id, without torch.

Only `config.json` and the tokenizer's files are read. Architectures with a table of positions have a limit that a
longer item breaks; the others take any length, and those with rotary positions say how far they were trained.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trainables.config import ModelConfig
from trainables.modeling.hub import ModelError
from trainables.system.hub_access import cached_snapshot

FROM = "from"
POSITIONS = ("max_position_embeddings", "n_positions")

_TABLE = frozenset(
    [
        *(
            "albert",
            "bart",
            "bert",
            "bert-generation",
            "big_bird",
            "biogpt",
            "canine",
            "convbert",
            "ctrl",
            "distilbert",
        ),
        *("electra", "ernie", "flaubert", "fnet", "gpt2", "gpt_bigcode", "gpt_neo", "gptj", "layoutlm", "mbart"),
        *("megatron-bert", "mobilebert", "mra", "mvp", "nystromformer", "openai-gpt", "opt", "plbart", "rembert"),
        *("roc_bert", "roformer", "splinter", "squeezebert", "visual_bert", "xlm", "yoso"),
    ]
)
_TABLE_AFTER_PADDING = frozenset(
    [
        *("camembert", "data2vec-text", "ibert", "layoutlmv3", "lilt", "longformer", "luke", "markuplm", "roberta"),
        *("roberta-prelayernorm", "xlm-roberta", "xlm-roberta-xl", "xmod"),
    ]
)
_TABLE_IF_BIASED = frozenset({"deberta", "deberta-v2"})
_PADDING_OF_MPNET = 1  # fixed in its code, whatever its configuration says
_USUAL_PADDING = 1


@dataclass(frozen=True)
class Limits:
    """What a model's files say. None: they do not say, or there is no limit.

    `tokens` is the largest number of tokens of an item, `trained_tokens` how far a model without such a limit was
    trained; `positions` is the size of the table by the file, before overrides. `embeddings` and `vocabulary` count
    the model's embeddings and the token ids of its tokenizer, `stored_embeddings` those of its weights.
    """

    tokens: int | None = None
    trained_tokens: int | None = None
    positions: int | None = None
    embeddings: int | None = None
    stored_embeddings: int | None = None
    vocabulary: int | None = None


def limits_of(config: ModelConfig) -> Limits | None:
    """Return the limits of a model; None if its files are not on this machine, or not readable as what they should be.

    Loading the model then says what is wrong with them.
    """
    folder = (
        Path(config.source) if Path(config.source).is_absolute() else cached_snapshot(config.source, config.revision)
    )
    written = None if folder is None else _json(folder / "config.json")
    if folder is None or not written:
        return None
    token_ids = {} if FROM in config.tokenizer else _token_ids(folder, config.tokenizer)
    changed = {**written, **config.overrides}
    if any(key in config.overrides for key in POSITIONS):
        changed = {key: value for key, value in changed.items() if key not in POSITIONS or key in config.overrides}
    padding = token_ids.get(_padding_token(folder, config.tokenizer) or "")
    if padding is not None:
        changed["pad_token_id"] = padding
    tokens = None if config.trust_remote_code else max_tokens(changed)  # its own code may compute positions differently
    return Limits(
        tokens=tokens,
        trained_tokens=_positions(changed) if tokens is None and _is_rotary(changed) else None,
        positions=None if tokens is None else _positions(written),
        embeddings=_whole(changed.get("vocab_size")) if token_ids else None,
        stored_embeddings=_whole(written.get("vocab_size")),
        vocabulary=max(token_ids.values()) + 1 if token_ids else None,
    )


def max_tokens(configuration: Mapping[str, Any]) -> int | None:
    """Return how many tokens an item may have; None if any number can be computed.

    `configuration` has the keys of `config.json`. RoBERTa and its relatives number positions from the id after the
    padding token's.
    """
    positions = _positions(configuration)
    kind = configuration.get("encoder_type", configuration.get("model_type"))
    if positions is None:
        return None
    if kind in _TABLE or (kind in _TABLE_IF_BIASED and configuration.get("position_biased_input", True)):
        return positions
    if kind == "mpnet":
        return positions - _PADDING_OF_MPNET - 1
    if kind in _TABLE_AFTER_PADDING:
        padding = _whole(configuration.get("pad_token_id"))
        return positions - (_USUAL_PADDING if padding is None else padding) - 1
    return None


def require_length(name: str, configuration: Mapping[str, Any], max_length: int) -> None:
    """Raise ModelError if the model `name` cannot read items of `max_length` tokens."""
    tokens = max_tokens(configuration)
    if tokens is not None and max_length > tokens:
        raise ModelError(
            f"{name}: max_length is {max_length}, but the model reads at most {tokens} tokens; write {tokens} or less"
        )


def _positions(configuration: Mapping[str, Any]) -> int | None:
    return next((size for key in POSITIONS if (size := _whole(configuration.get(key))) is not None), None)


def _is_rotary(configuration: Mapping[str, Any]) -> bool:
    return any("rope" in key or "rotary" in key for key in configuration)


def _whole(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _json(path: Path) -> dict[str, Any]:
    """Return the mapping in a JSON file; {} if there is none."""
    try:
        stat = path.stat()
        return _read_json(path, stat.st_mtime_ns, stat.st_size)
    except (OSError, ValueError):
        return {}


@functools.lru_cache(maxsize=16)
def _read_json(path: Path, changed: int, size: int) -> dict[str, Any]:
    content = json.loads(path.read_bytes())
    return content if isinstance(content, dict) else {}


def _token_ids(folder: Path, chosen: Mapping[str, Any]) -> dict[str, int]:
    """Return the id of every token of a folder's tokenizer; {} if its files are of a form that is not read here.

    A special token that the vocabulary lacks gets the next id, as `transformers` gives it one.
    """
    settings = {**_json(folder / "tokenizer_config.json"), **chosen}
    token_ids = _vocabulary(folder)
    if not token_ids:
        return {}
    for written, token in _mapping(settings.get("added_tokens_decoder")).items():
        content = _content(token)
        if content is not None and written.isdigit():
            token_ids.setdefault(content, int(written))
    for key, value in settings.items():
        content = _content(value) if key.endswith("_token") else None
        if content is not None and content not in token_ids:
            token_ids[content] = max(token_ids.values()) + 1
    return token_ids


def _vocabulary(folder: Path) -> dict[str, int]:
    tokenizer = _json(folder / "tokenizer.json")
    if not tokenizer:
        words = folder / "vocab.txt"
        lines = words.read_text(encoding="utf-8", errors="replace").split("\n") if words.is_file() else []
        by_line = {word: row for row, word in enumerate(lines) if word}
        return by_line or {**_ids(_json(folder / "vocab.json")), **_ids(_json(folder / "added_tokens.json"))}
    vocabulary = _mapping(tokenizer.get("model")).get("vocab")
    if isinstance(vocabulary, list):  # Unigram: pairs of token and score, in the order of ids
        vocabulary = {str(entry[0]): row for row, entry in enumerate(vocabulary) if isinstance(entry, list) and entry}
    added = tokenizer.get("added_tokens")
    of_added = {_content(token): _mapping(token).get("id") for token in (added if isinstance(added, list) else ())}
    return _ids({**_mapping(vocabulary), **of_added})


def _padding_token(folder: Path, chosen: Mapping[str, Any]) -> str | None:
    return _content({**_json(folder / "tokenizer_config.json"), **chosen}.get("pad_token"))


def _content(token: Any) -> str | None:
    """Return the text of a special token, which is written as text or as a mapping with its `content`."""
    text = token.get("content") if isinstance(token, dict) else token
    return text if isinstance(text, str) else None


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _ids(vocabulary: Mapping[Any, Any]) -> dict[str, int]:
    return {str(token): number for token, number in vocabulary.items() if _whole(number) is not None}
