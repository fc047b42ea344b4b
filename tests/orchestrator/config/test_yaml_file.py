"""A settings file means one thing, and what it may not hold is refused with its line before anything is built."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.config import yaml_file
from orchestrator.config.yaml_file import dump
from orchestrator.errors import InvalidExperiment

PLAIN = st.none() | st.booleans() | st.integers(-(10**9), 10**9) | st.floats(allow_nan=False) | st.text(max_size=20)
CONTENT = st.dictionaries(st.text(min_size=1, max_size=8), PLAIN | st.lists(PLAIN, max_size=3), max_size=4)


def test_scalars_follow_the_core_schema_of_yaml_1_2() -> None:
    text = "a: 3e-5\nb: 010\nc: yes\nd: 2026-01-31\ne: 42-51\nf: '5'\ng: ~\nh: True\ni: 0x1f\nj: .5\nk: 1_000\n"
    assert yaml_file.parse(text, "f").content == {
        "a": 3e-5,
        "b": 10,
        "c": "yes",
        "d": "2026-01-31",
        "e": "42-51",
        "f": "5",
        "g": None,
        "h": True,
        "i": 31,
        "j": 0.5,
        "k": "1_000",
    }


def test_every_key_keeps_its_line() -> None:
    document = yaml_file.parse("a: 1\nb:\n  c: 2\n  d:\n    - x\n    - {e: 3}\n", "f")
    lines = {path: line for path, line in document.lines.items() if path}
    assert lines == {("a",): 1, ("b",): 2, ("b", "c"): 3, ("b", "d"): 4, ("b", "d", 0): 5} | {
        ("b", "d", 1): 6,
        ("b", "d", 1, "e"): 6,
    }


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: !!python/object/apply:os.system [x]", "f:1: the tag 'tag:yaml.org,2002:python/object/apply:os.system'"),
        ("a: 1\nb: !secret x", "f:2: the tag '!secret' is refused"),
        ("a: &x [1]\nb: *x", "f:1: anchors and aliases are not supported"),
        ("a:\n\tb: 1", "f:2: a tab is used for spacing"),
        ("a: 1\na: 2", "f:2: a: is there twice (first in line 1)"),
        ("b: {c: 1}\nd:\n  e: 1\n  e: 2", "f:4: d.e: is there twice (first in line 3)"),
        ("", "f: is empty"),
        ("- 1", "f:1: must hold `key: value` lines"),
        ("just text", "f:1: must hold `key: value` lines"),
        ("a: 1\n---\nb: 2", "f:2: but found another document"),
        ("a: " + "[" * 60 + "]" * 60, "f:1: nested deeper than 40 levels"),
        ("a: " + "9" * 5000, "f:1: a: is a number of 5000 characters"),
        ("a: \x00", "f: is not YAML: unacceptable character"),
        ("? [1]\n: 2", "f:1: a key must be text"),
        ("a: [1", "f:1: expected ',' or ']'"),
    ],
)
def test_what_a_settings_file_may_not_hold_is_refused_with_its_line(text: str, message: str) -> None:
    with pytest.raises(InvalidExperiment) as caught:
        yaml_file.parse(text, "f")
    assert str(caught.value).startswith(message)


def test_an_alias_bomb_is_refused_before_it_grows() -> None:
    levels = [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 30)]
    with pytest.raises(InvalidExperiment, match="anchors and aliases"):
        yaml_file.parse("a0: &a0 [x]\n" + "\n".join(levels), "f")


def test_all_duplicate_keys_are_reported_at_once() -> None:
    with pytest.raises(InvalidExperiment) as caught:
        yaml_file.parse("a: 1\na: 2\nb: 1\nb: 2", "f")
    assert [problem.line for problem in caught.value.problems] == [2, 4]


def test_a_byte_order_mark_and_windows_line_ends_are_read(tmp_path: Path) -> None:
    path = tmp_path / "a file's name.yaml"
    path.write_bytes("\ufeffa: 1\r\nb: x\r\n".encode())
    assert yaml_file.read(path).content == {"a": 1, "b": "x"}


@pytest.mark.parametrize(
    ("data", "message"),
    [(b"a: 1\nb: \xff\n", "f.yaml:2: is not valid UTF-8"), (b"a: " + b"x" * 1_000_001, "the limit is 1000000")],
)
def test_a_file_that_is_not_text_or_far_too_long_is_refused(tmp_path: Path, data: bytes, message: str) -> None:
    (tmp_path / "f.yaml").write_bytes(data)
    with pytest.raises(InvalidExperiment, match=message):
        yaml_file.read(tmp_path / "f.yaml")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidExperiment, match=r"nothing\.yaml: cannot be read: No such file"):
        yaml_file.read(tmp_path / "nothing.yaml")


@given(CONTENT)
def test_what_is_written_is_read_back_the_same(content: dict[str, object]) -> None:
    assert yaml_file.parse(dump(content) if content else "{}", "f").content == content


def test_readers_of_yaml_1_1_see_the_same_numbers_and_texts() -> None:
    content = {"a": 3e-5, "b": 1e300, "c": "yes", "d": "3e-5", "e": "010", "f": 1.0}
    assert yaml.safe_load(dump(content)) == content


@pytest.mark.parametrize(
    ("text", "value"), [("3e-5", 3e-5), ("[1, 2]", [1, 2]), ("null", None), ("", None), ("'5'", "5"), ("a b", "a b")]
)
def test_a_value_on_the_command_line_is_one_yaml_value(text: str, value: object) -> None:
    assert yaml_file.scalar(text) == value
