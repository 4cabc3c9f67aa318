"""Applies `--set key=value` to a document; the override becomes the `file` of what it sets."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from agilenn_cc.errors import Diagnostic, Position
from agilenn_cc.spec.source import ODD_LINE_BREAK, Document, Entry, KeyPath, NodeReader

_PATH_KEYS: tuple[KeyPath, ...] = (
    ("dataset", "path"),
    ("network", "tflite"),
    ("dataset", "images"),
    ("dataset", "npz"),
    ("dataset", "audio"),
    ("reference", "model"),
)


def apply_overrides(
    document: Document, overrides: Sequence[str], base_dir: Path
) -> tuple[Diagnostic, ...]:
    """Set each `key=value` (dotted key, YAML value) in `document`; return what is wrong with them.

    A relative path in an override counts from the current directory, as on any command line; it is
    rewritten to count from `base_dir`, as all paths of a spec do.
    """
    diagnostics: list[Diagnostic] = []
    for override in overrides:
        diagnostics += _apply(document, override, base_dir)
    return tuple(diagnostics)


def _apply(document: Document, override: str, base_dir: Path) -> tuple[Diagnostic, ...]:
    origin = f"--set {override}"
    key, equals, value = override.partition("=")
    path = tuple(part.strip() for part in key.split("."))
    where = Position(origin, 1, 1, max(1, len(key)), override.split("\n")[0])
    if not equals or not all(path):
        hint = "write --set training.epochs=5"
        return (Diagnostic("spec.override", "an override is key=value", where, hint),)
    odd = ODD_LINE_BREAK.search(override)
    if odd is not None:
        return (NodeReader(override, origin).odd_line_break(override, odd.start()),)
    entries: dict[KeyPath, Entry] = {}
    data, diagnostics = _read_value(value, path, where, override, entries)
    if diagnostics:
        return diagnostics
    parent = document.data
    for depth, part in enumerate(path[:-1], start=1):
        child = parent.get(part)
        if child is None:
            child = parent[part] = {}
            document.entries[path[:depth]] = Entry(where, where)
        if not isinstance(child, dict):
            message = f"`{'.'.join(path[:depth])}` is a value, not a section"
            return (Diagnostic("spec.override", message, where, "see docs/spec.md for the keys"),)
        parent = child
    _forget(document, path)
    parent[path[-1]] = data
    document.entries.update(entries)
    for path_key in _PATH_KEYS:
        if path_key in entries:
            _rewrite_path(document, path_key, base_dir)
    return ()


def _read_value(
    value: str, path: KeyPath, where: Position, override: str, entries: dict[KeyPath, Entry]
) -> tuple[Any, tuple[Diagnostic, ...]]:
    """Read the YAML after the equals sign; positions are columns of the whole override."""
    if "\n" in value:
        # Layers, most likely: text as it is, of which each line has its place.
        column = len(override) - len(value) + 1
        lines = tuple(
            Position(where.file, number, 1 if number > 1 else column, max(1, len(line)), line)
            for number, line in enumerate(override.split("\n"), start=1)
        )
        entries[path] = Entry(where, lines[0], lines)
        return value, ()
    indent = len(override) - len(value)
    reader = NodeReader(override, where.file)
    try:
        node = YAML(typ="safe", pure=True).compose(" " * indent + value)
    except YAMLError as error:
        return None, (reader.syntax(error),)
    if node is None:
        entries[path] = Entry(where, where)
        return None, ()
    entries[path] = reader.entry(where, node)
    return reader.value(node, path, entries), tuple(reader.diagnostics)


def _forget(document: Document, path: KeyPath) -> None:
    """Drop the entries of a key that is replaced, and of everything below it."""
    for known in [known for known in document.entries if known[: len(path)] == path]:
        del document.entries[known]


def _rewrite_path(document: Document, path_key: KeyPath, base_dir: Path) -> None:
    section, key = path_key
    value = document.data[section][key]
    if not isinstance(value, str) or value.startswith("~") or os.path.isabs(value):
        return
    if path_key == ("reference", "model") and not looks_like_path(value):
        return
    document.data[section][key] = Path(os.path.relpath(value, base_dir)).as_posix()


def looks_like_path(model: str) -> bool:
    """Tell a model file or folder from a model known by name."""
    return "/" in model or "\\" in model or model.endswith((".keras", ".h5", ".hdf5"))
