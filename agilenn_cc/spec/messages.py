"""Turns what pydantic found into diagnostics that a person can act on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from pydantic import ValidationError
from pydantic.fields import FieldInfo

from agilenn_cc.errors import Diagnostic, nearest
from agilenn_cc.spec.language import Finding
from agilenn_cc.spec.sections import keys_of, sections
from agilenn_cc.spec.source import Document, KeyPath

_EXPECTED = {
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "finite_number": "a finite number",
    "string_type": "text",
}
_BOUNDS = {
    "greater_than": ("gt", "more than"),
    "greater_than_equal": ("ge", "at least"),
    "less_than": ("lt", "less than"),
    "less_than_equal": ("le", "at most"),
}


def explain(error: ValidationError, document: Document) -> tuple[Diagnostic, ...]:
    """Return a diagnostic for each finding, in the order in which they stand in the file."""
    found: list[dict[str, Any]] = [dict(each) for each in error.errors(include_url=False)]
    misspelt = {_meant(details["loc"]) for details in found if details["type"] == "extra_forbidden"}
    return in_order(
        diagnostic
        for details in found
        # A misspelt key is told once, not also as a missing one.
        if details["type"] != "missing" or details["loc"] not in misspelt
        for diagnostic in _explain_one(details, document)
    )


def in_order(diagnostics: Iterable[Diagnostic]) -> tuple[Diagnostic, ...]:
    """Sort diagnostics by where they stand."""

    def place(diagnostic: Diagnostic) -> tuple[str, int, int]:
        where = diagnostic.where
        return (where.file, where.line, where.column) if where else ("", 0, 0)

    return tuple(sorted(diagnostics, key=place))


def _meant(path: KeyPath) -> KeyPath | None:
    """Return the path of the known key that an unknown one most likely stands for."""
    key = nearest(path[-1].lower(), keys_of(sections()[path[:-1]]))
    return (*path[:-1], key) if key else None


def _explain_one(details: Mapping[str, Any], document: Document) -> Iterator[Diagnostic]:
    path: KeyPath = tuple(str(part) for part in details["loc"])
    kind: str = details["type"]
    context: Mapping[str, Any] = details.get("ctx", {})
    if kind == "extra_forbidden":
        yield _unknown_key(path, document)
    elif kind == "missing":
        yield _missing_key(path, document)
    elif kind == "network":
        yield from _network(path, context["findings"], document)
    else:
        message, hint = _wrong_value(path, kind, context, details)
        entry = document.entries.get(path)
        where = entry.value if entry else document.nearest_entry(path)
        yield Diagnostic("spec.value", message, where, hint)


def _unknown_key(path: KeyPath, document: Document) -> Diagnostic:
    key, parent = path[-1], path[:-1]
    everything = sections()
    known = keys_of(everything[parent])
    section = f"`{'.'.join(parent)}` has" if parent else "a spec has"
    message = f"{section} no key `{key}`"
    meant = _meant(path)
    homes = [home for home, model in everything.items() if key in keys_of(model)]
    if meant is not None:
        hint = f"did you mean `{meant[-1]}`?"
    elif homes:
        hint = f"it belongs elsewhere: `{'.'.join((*homes[0], key))}`"
    else:
        hint = "the keys here are: " + ", ".join(known)
    return Diagnostic("spec.unknown-key", message, document.nearest_entry(path), hint)


def _missing_key(path: KeyPath, document: Document) -> Diagnostic:
    key, parent = path[-1], path[:-1]
    info = keys_of(sections()[parent])[key]
    owner = f"`{'.'.join(parent)}`" if parent else "the spec"
    examples: dict[KeyPath, str] = {
        ("name",): "name: my_network",
        ("dataset",): "dataset: {name: digits}",
        ("network",): "network: {extractor: conv 24 3x3 /2 relu6}",
    }
    example = examples.get(path)
    hint = f"add `{example}`" if example else info.description
    return Diagnostic(
        "spec.missing-key", f"{owner} lacks `{key}`", document.nearest_entry(path), hint
    )


def _network(
    path: KeyPath, findings: tuple[Finding, ...], document: Document
) -> Iterator[Diagnostic]:
    entry = document.entries.get(path)
    if entry is not None and entry.folded:
        yield Diagnostic(
            "spec.network",
            f"the lines of `{'.'.join(path)}` run together in this kind of YAML text",
            entry.key,
            f"write `{path[-1]}: |` and one layer a line below it, indented",
        )
        return
    for finding in findings:
        where = document.in_text(path, finding.line, finding.column, finding.length)
        yield Diagnostic("spec.network", finding.message, where, finding.hint)


def _wrong_value(
    path: KeyPath, kind: str, context: Mapping[str, Any], details: Mapping[str, Any]
) -> tuple[str, str | None]:
    name = ".".join(path)
    value = details["input"]
    info = _field(path)
    description = info.description if info else None
    if kind == "quantity":
        return f"`{name}`: {context['message']}", context["hint"]
    if kind == "network_type":
        hint = f"write `{path[-1]}: |` and one layer a line below it, indented"
        return f"`{name}` must be text, one layer a line", hint
    if value is None:
        return f"`{name}` has no value", f"give one, or remove the key; {description}"
    if kind in ("literal_error", "plugin"):
        options = context["names"] if kind == "plugin" else _literals(context["expected"])
        known = nearest(str(value).lower(), options)
        hint = f"did you mean `{known}`?" if known else f"it can be: {', '.join(options)}"
        return f"`{name}` cannot be `{_show(value)}`", hint
    if kind in _BOUNDS:
        word, phrase = _BOUNDS[kind]
        unit = {"latency": " ms", "deadline": " ms", "fragment": " bytes"}.get(path[-1], "")
        return f"`{name}` must be {phrase} {context[word]:g}{unit}, not {_show(value)}", description
    if kind == "string_pattern_mismatch":
        return f"`{name}` cannot be `{_show(value)}`", description
    if kind in ("model_type", "model_attributes_type", "dict_type"):
        section = sections().get(path)
        keys = ", ".join(keys_of(section)) if section else ""
        if path == ("dataset",) and isinstance(value, str):
            return f"`{name}` is a section, not `{_show(value)}`", f"write {{name: {value}}}"
        return f"`{name}` is a section, not `{_show(value)}`", f"its keys are: {keys}"
    expected = _EXPECTED.get(kind)
    if expected is None:
        return f"`{name}`: {details['msg']}", description
    if kind == "string_type" and not isinstance(value, dict | list):
        return f"`{name}` must be text, not `{_show(value)}`", f'put it in quotes: "{_show(value)}"'
    return f"`{name}` must be {expected}, not `{_show(value)}`", description


def _field(path: KeyPath) -> FieldInfo | None:
    section = sections().get(path[:-1])
    return keys_of(section).get(path[-1]) if section else None


def _literals(expected: str) -> list[str]:
    return [word.strip("' ") for word in expected.replace(" or ", ", ").split(",")]


def _show(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    text = str(value)
    return text if len(text) <= 40 else text[:37] + "..."
