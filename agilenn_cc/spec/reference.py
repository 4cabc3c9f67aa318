"""Writes docs/spec.md from the descriptions of the model, so that the page cannot go stale."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from agilenn_cc.spec.language import FORMS
from agilenn_cc.spec.layers import MobileNetV2, format_layer
from agilenn_cc.spec.sections import keys_of, section_of, sections

_TYPES = {
    "integer": "whole number",
    "number": "number",
    "string": "text",
    "boolean": "true, false",
    "array": "list",
}
_SIGNS = (
    ("minimum", ">="),
    ("exclusiveMinimum", ">"),
    ("maximum", "<="),
    ("exclusiveMaximum", "<"),
)

_HEAD = """\
# The spec

<!-- Written by `agilenn_cc.spec.spec_reference()`; change the descriptions in agilenn_cc/spec/. -->

A spec is one YAML file. Unknown keys are errors. Only `name`, `dataset` and `network.extractor`
(or `network.tflite`) are required. `--set key=value` overrides any key (`--set training.epochs=5`).
Relative paths in the file count from its folder, those of `--set` from the current directory. Sizes
are written as `64 KiB` (B, kB, KiB, MB, MiB) or a number of bytes, times as `50 ms` (us, ms, s).

The smallest spec:

```yaml
name: first
dataset: {name: digits}
network:
  extractor: |
    conv 24 3x3 relu6
    conv 24 3x3 /2 relu6
```
"""

_LANGUAGE = """\
## The network language

One layer a line; `#` begins a comment. `2x` before a layer repeats it. Padding is SAME: a stride of
s divides height and width by s, rounded up. Each convolution is followed by batch norm, which needs
no line; it is folded into the weights for the device.
"""


def spec_reference() -> str:
    """Return the text of docs/spec.md."""
    parts = [_HEAD]
    for path, section in sections().items():
        title = f"`{'.'.join(path)}`" if path else "Top level"
        summary = (section.__doc__ or "").strip()
        parts.append(f"## {title}\n\n{summary}\n\n{_table(section)}")
    forms = "\n".join(_row(f"`{word}`", f"`{form}`") for word, form in FORMS.items())
    parts.append(f"{_LANGUAGE}\n| layer | form |\n|---|---|\n{forms}\n")
    return "\n".join(parts)


def _table(section: type[BaseModel]) -> str:
    properties = section.model_json_schema(by_alias=True)["properties"]
    rows = ["| key | value | default | meaning |", "|---|---|---|---|"]
    for key, info in keys_of(section).items():
        kind = "section" if section_of(info) else _kind(properties[key])
        cells = (f"`{key}`", kind, _default(info), info.description or "")
        rows.append(_row(*cells))
    return "\n".join(rows) + "\n"


def _row(*cells: str) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _kind(schema: dict[str, Any]) -> str:
    """Describe a value by its JSON Schema: choices, an example, or type and bounds."""
    if "enum" in schema:
        return ", ".join(f"`{word}`" for word in schema["enum"])
    if "const" in schema:
        return f"`{schema['const']}`"
    bounds = ", ".join(f"{sign} {_number(schema[key])}" for key, sign in _SIGNS if key in schema)
    for example in schema.get("examples", ()):
        shown = "layers" if "\n" in example else f"such as `{example}`"
        return f"{shown}, {bounds}" if bounds else shown
    if "anyOf" in schema:
        kinds = [_kind(part) for part in schema["anyOf"] if part.get("type") != "null"]
        return " or ".join(kinds)
    kind = _TYPES[schema["type"]]
    return f"{kind}, {bounds}" if bounds else kind


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else f"{value:g}"


def _default(info: FieldInfo) -> str:
    if info.is_required():
        return "required"
    if info.default is None or section_of(info):
        return ""
    if isinstance(info.default, MobileNetV2):
        return f"`mobilenetv2 width {info.default.width}`"
    if isinstance(info.default, tuple):
        if all(isinstance(part, float) for part in info.default) and info.default:
            return f"`[{', '.join(f'{factor:g}' for factor in info.default)}]`"
        return ", ".join(f"`{format_layer(layer)}`" for layer in info.default)
    unit = " ms" if info.alias in ("deadline", "clip") else ""
    shown = f"{info.default:g}" if isinstance(info.default, float) else str(info.default)
    return f"`{shown}{unit}`"
