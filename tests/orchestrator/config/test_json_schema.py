"""The schema that editors use accepts what we accept and refuses the common mistakes."""

from __future__ import annotations

from typing import Any

import pytest

from orchestrator.config.experiment import json_schema
from orchestrator.config.load import built_in_document, built_in_names, validate
from orchestrator.config.yaml_file import parse
from tests.orchestrator.experiments import MINIMAL

jsonschema = pytest.importorskip("jsonschema", reason="comes with Ray")


def is_valid(content: Any) -> bool:
    """Whether the schema accepts the content."""
    return bool(jsonschema.Draft202012Validator(json_schema()).is_valid(content))


def test_the_schema_is_one() -> None:
    jsonschema.Draft202012Validator.check_schema(json_schema())
    assert json_schema()["additionalProperties"] is False


@pytest.mark.parametrize("name", built_in_names())
def test_built_in_experiments_satisfy_it(name: str) -> None:
    assert is_valid(built_in_document(name).content)


@pytest.mark.parametrize(
    "text", ["seeds: 1,2,5-7", "seeds: [1, 2]", "seeds: 3", "models: {a: {learning_rate: 1e-5}}", "models: minilm-l6"]
)
def test_every_way_to_write_a_key_satisfies_it(text: str) -> None:
    key = text.partition(":")[0]
    document = parse("\n".join([*(line for line in MINIMAL.splitlines() if not line.startswith(key)), text]), "f")
    assert is_valid(document.content)
    assert validate(document)


@pytest.mark.parametrize(
    "text",
    [
        "epohcs: 3",
        "seeds: []",
        "seeds: x",
        "train: {epochs: 0}",
        "train: {epochs: 1e21}",
        "split: {seed: sometimes}",
        "recipes: {a: }",
    ],
)
def test_mistakes_do_not_satisfy_it(text: str) -> None:
    assert not is_valid(parse(MINIMAL + text, "f").content)


def test_a_name_beside_a_path_is_accepted_and_described() -> None:
    text = MINIMAL.replace("{name: requirements-sample}", "{name: ./read.py, path: items.jsonl}")
    document = parse(text, "f")
    assert is_valid(document.content)
    assert validate(document).data.path == "items.jsonl"
    described = json_schema()["$defs"]["DataConfig"]["description"]
    assert "exactly one" not in described
    assert "`.py` file, reads what is" in described


def test_the_resolved_file_satisfies_it() -> None:
    assert is_valid(validate(parse(MINIMAL, "f")).model_dump(mode="json"))
