"""The JSON Schema of the experiment file, for editors: the models' own, plus the short forms that a file may use."""

from __future__ import annotations

from typing import Any

from orchestrator.config.experiment import Experiment, ModelEntry
from trainables import registry
from trainables.config import TrainConfig

SCHEMA_DIALECT = "https://json-schema.org/draft/2020-12/schema"


def json_schema() -> dict[str, Any]:
    """A JSON Schema (draft 2020-12) that every accepted experiment file satisfies."""
    schema = Experiment.model_json_schema(mode="validation")
    entry = schema["$defs"][ModelEntry.__name__]
    for key in TrainConfig.model_fields:
        entry["properties"][key].pop("default", None)
    properties = schema["properties"]
    properties["models"] = {
        "description": "names, or a mapping from each name to what differs for this model",
        "anyOf": [
            {"type": "array", "items": {"type": "string"}, "minItems": 1, "uniqueItems": True},
            properties["models"],
        ],
        "examples": [registry.names("model")],
    }
    properties["seeds"] = {
        "description": properties["seeds"].get("description"),
        "anyOf": [
            {"type": "string", "pattern": r"^\s*\d+(\s*-\s*\d+)?(\s*,\s*\d+(\s*-\s*\d+)?)*\s*,?\s*$"},
            {"type": "integer", "minimum": 0},
            {"type": "array", "items": {"type": "integer", "minimum": 0}, "minItems": 1, "uniqueItems": True},
        ],
        "default": "42-51",
    }
    properties["task"]["examples"] = registry.names("task")
    return {"$schema": SCHEMA_DIALECT, **schema, "title": "orchestrate experiment"}
