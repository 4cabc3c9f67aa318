"""The JSON Schema and docs/spec.md: complete, true to the model, fresh."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agilenn_cc.spec import spec_json_schema, spec_reference, units

DOCS = Path(__file__).parents[2] / "docs" / "spec.md"


def resolve(schema: dict[str, Any], root: dict[str, Any]) -> dict[str, Any]:
    reference = schema.get("$ref") or next(
        (part["$ref"] for part in schema.get("allOf", ()) if "$ref" in part), None
    )
    return root["$defs"][reference.rpartition("/")[2]] if reference else schema


def leaves(schema: dict[str, Any], root: dict[str, Any], path: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in schema["properties"].items():
        inner = resolve(value, root)
        name = f"{path}{key}"
        found[name] = value
        if "properties" in inner:
            found |= leaves(inner, root, f"{name}.")
    return found


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    return spec_json_schema()


def test_it_is_json_of_the_2020_draft(schema: dict[str, Any]) -> None:
    assert json.loads(json.dumps(schema)) == schema
    assert schema["$schema"].endswith("2020-12/schema")
    assert schema["required"] == ["name", "dataset", "network"]


def test_every_key_is_described_and_no_other_is_allowed(schema: dict[str, Any]) -> None:
    keys = leaves(schema, schema)
    assert {"training.lambda", "link.deadline", "budget.latency", "dataset.limit.train"} <= set(
        keys
    )
    assert not any(key.endswith(("_ms", "lambda_")) for key in keys)
    for key, value in keys.items():
        assert value.get("description"), key
    for section in (schema, *schema["$defs"].values()):
        assert section["additionalProperties"] is False


def test_choices_bounds_and_units(schema: dict[str, Any]) -> None:
    keys = leaves(schema, schema)
    assert keys["payload.codec"]["enum"][:4] == ["lzw", "lzw-variable", "context", "raw"]
    assert keys["training.optimizer"]["enum"] == ["sgd", "adam", "adamw"]
    assert (keys["payload.levels"]["minimum"], keys["payload.levels"]["maximum"]) == (2, 16)
    assert re.search(keys["link.deadline"]["pattern"], keys["link.deadline"]["default"])


@given(st.from_regex(units.BYTES_PATTERN, fullmatch=True))
def test_the_pattern_of_sizes_is_what_is_read(text: str) -> None:
    try:
        assert units.parse_bytes(text) >= 0
    except units.UnitError as error:
        if "whole number of bytes" not in error.message:
            raise


@given(st.from_regex(units.TIME_PATTERN, fullmatch=True))
def test_the_pattern_of_times_is_what_is_read(text: str) -> None:
    assert units.parse_milliseconds(text) >= 0


def test_the_page_is_fresh() -> None:
    assert DOCS.read_text(encoding="utf-8") == spec_reference(), (
        "write it anew: python -c 'from agilenn_cc.spec import spec_reference as r; "
        'open("docs/spec.md", "w").write(r())\''
    )


def test_the_page_names_every_key(schema: dict[str, Any]) -> None:
    page = DOCS.read_text(encoding="utf-8")
    for key in leaves(schema, schema):
        assert f"| `{key.rpartition('.')[2]}` |" in page
