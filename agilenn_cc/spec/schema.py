"""The JSON Schema of a spec, for completion and checks in editors."""

from __future__ import annotations

from typing import Any

from agilenn_cc.spec.model import Spec
from agilenn_cc.spec.sections import keys_of, sections

_NOT_KEYWORDS = ("gt", "ge", "lt", "le", "title")


def spec_json_schema() -> dict[str, Any]:
    """Return the schema (draft 2020-12) with descriptions, choices, bounds and unit patterns."""
    schema: dict[str, Any] = Spec.model_json_schema(by_alias=True, mode="validation")
    definitions: dict[str, Any] = schema.pop("$defs")
    for section in sections().values():
        owner = schema if section is Spec else definitions[section.__name__]
        for key, info in keys_of(section).items():
            owner["properties"][key] = _tidy(owner["properties"][key])
            # A default is shown as the file would have it, so only plain values have one here.
            owner["properties"][key].pop("default", None)
            if isinstance(info.default, str | int | float):
                owner["properties"][key]["default"] = (
                    f"{info.default:g} ms" if key in ("deadline", "clip") else info.default
                )
        owner.pop("title", None)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "agilenn-cc spec",
        **schema,
        "$defs": definitions,
    }


def _tidy(schema: Any) -> Any:
    """Drop what pydantic leaves beside the keywords of JSON Schema."""
    if isinstance(schema, dict):
        return {key: _tidy(value) for key, value in schema.items() if key not in _NOT_KEYWORDS}
    if isinstance(schema, list):
        return [_tidy(value) for value in schema]
    return schema
