"""What is written as YAML is read back as it was by every reader, however much a text looks like something else."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from analysis.yaml_text import dump, read
from orchestrator.config import yaml_file

LOOKALIKES = [
    *(
        "1e5",
        "6125e45",
        "1.5e5",
        "on",
        "no",
        "y",
        "null",
        "~",
        "",
        "true",
        "0o17",
        "017",
        "089",
        "0x1f",
        "1_000",
        "1:30",
    ),
    *(
        "2026-01-31",
        ".inf",
        "-.INF",
        ".nan",
        ".5",
        "+1",
        "=",
        "<<",
        "-",
        "?",
        "*a",
        "&a",
        "!a",
        "a: b",
        "a #b",
        " a",
        "\n",
    ),
]
PLAIN = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20)
PLAIN_OR_LOOKALIKE = PLAIN | st.sampled_from(LOOKALIKES)
NESTED = st.recursive(
    PLAIN_OR_LOOKALIKE,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@pytest.mark.parametrize("text", LOOKALIKES)
def test_a_text_that_looks_like_something_else_comes_back_as_text_from_every_reader(text: str) -> None:
    content = {"name": text, "models": {text: {}}, "names": [text, [text]]}
    written = dump(content)
    assert read(written) == yaml_file.parse(written, "f").content == yaml.safe_load(written) == content


@given(st.dictionaries(st.sampled_from(LOOKALIKES) | st.text(min_size=1, max_size=8), NESTED, min_size=1, max_size=4))
def test_both_readers_of_ours_read_what_is_written(content: dict[str, Any]) -> None:
    written = dump(content)
    assert read(written) == read(written.encode()) == yaml_file.parse(written, "f").content == content


def test_the_quick_reader_follows_the_core_schema_and_keys_are_text() -> None:
    text = "1e5: 3e-5\non: off\n010: 010\n2026-01-31: 0o17\n<<: {a: ~}\n'x': '5'\n"
    content = {"1e5": 3e-5, "on": "off", "010": 10, "2026-01-31": 15, "<<": {"a": None}, "x": "5"}
    assert read(text) == yaml_file.parse(text, "f").content == content
    assert read("") is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\nb: !!python/name:os.system x", "line 2: the tag 'tag:yaml.org,2002:python/name:os.system' is refused"),
        ("a: &x [1]\nb: *x", "line 1: anchors and aliases are not supported"),
        ("a: &x [*x]", "line 1: anchors and aliases are not supported"),
        ("? [1]\n: 2", "line 1: a key must be text"),
    ],
)
def test_what_builds_objects_or_grows_is_refused(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message.replace("[", r"\[")):
        read(text)
