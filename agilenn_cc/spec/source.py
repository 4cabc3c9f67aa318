"""YAML text to plain data in which each key and value knows where it stands."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode
from ruamel.yaml.reader import ReaderError

from agilenn_cc.errors import Diagnostic, Position

KeyPath: TypeAlias = tuple[str, ...]

# YAML ends a line at \n or \r alone; Python, and many an editor, at these as well.
ODD_LINE_BREAK = re.compile("[\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029]")

_MAX_NODES = 10_000
_TAG = "tag:yaml.org,2002:"


@dataclass(frozen=True)
class Entry:
    """Where a key and its value stand; `lines` are the source positions of each line of a text."""

    key: Position
    value: Position
    lines: tuple[Position, ...] = ()
    folded: bool = False


@dataclass
class Document:
    """Plain data (dicts, lists, scalars) and the entry of each key path."""

    file: str
    data: dict[str, Any] = field(default_factory=dict)
    entries: dict[KeyPath, Entry] = field(default_factory=dict)

    def where(self, key: str) -> Position | None:
        """Return the position of a dotted key's value, None where the document has no such key."""
        entry = self.entries.get(tuple(key.split(".")))
        return entry.value if entry else None

    def nearest_entry(self, path: KeyPath) -> Position:
        """Return the position of the key, or of the closest key around it that is written."""
        for length in range(len(path), 0, -1):
            if path[:length] in self.entries:
                return self.entries[path[:length]].key
        return Position(self.file, 1, 1)

    def in_text(self, path: KeyPath, line: int, column: int, length: int) -> Position:
        """Return the place of a line and column (from 1) within the text that is a key's value."""
        entry = self.entries.get(path)
        if entry is None:
            return self.nearest_entry(path)
        if not 1 <= line <= len(entry.lines):
            return entry.value
        start = entry.lines[line - 1]
        return Position(start.file, start.line, start.column + column - 1, length, start.text)


def read_document(text: str, file: str) -> tuple[Document, tuple[Diagnostic, ...]]:
    """Read one YAML document whose root is a mapping; all findings of this stage at once."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    reader = NodeReader(text, file)
    document = Document(file)
    odd = ODD_LINE_BREAK.search(text)
    if odd is not None:
        return document, (reader.odd_line_break(text, odd.start()),)
    try:
        root = YAML(typ="safe", pure=True).compose(text)
    except YAMLError as error:
        return document, (reader.syntax(error),)
    if not isinstance(root, MappingNode):
        where = reader.mark(root) if root is not None else Position(file, 1, 1)
        message = "a spec is a mapping of keys" if root is not None else "the spec is empty"
        hint = "start with `name: my_network`; docs/spec.md lists every key"
        return document, (Diagnostic("spec.syntax", message, where, hint),)
    document.data = reader.mapping(root, (), document.entries)
    return document, tuple(reader.diagnostics)


class NodeReader:
    """Walks the nodes of one document."""

    def __init__(self, text: str, file: str) -> None:
        self.file = file
        self.source = text.split("\n")
        self.diagnostics: list[Diagnostic] = []
        self.open_nodes: list[Node] = []
        self.visited = 0

    def position(self, line: int, column: int, length: int = 1) -> Position:
        """Make a position from a line and column that count from 0."""
        text = self.source[line] if line < len(self.source) else None
        return Position(self.file, line + 1, column + 1, max(1, length), text)

    def mark(self, node: Node) -> Position:
        """Place a node: its text, or its first line if it has several."""
        start, end = node.start_mark, node.end_mark
        if isinstance(node, ScalarNode) and node.style in ("|", ">"):
            return self.position(start.line, start.column)
        if end.line == start.line:
            return self.position(start.line, start.column, end.column - start.column)
        length = len(self.source[start.line]) - start.column if self.source else 1
        return self.position(start.line, start.column, length)

    def mapping(
        self, node: MappingNode, path: KeyPath, entries: dict[KeyPath, Entry]
    ) -> dict[str, Any]:
        """Read a mapping, note the entry of each key and report keys that occur twice."""
        data: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key_position = self.mark(key_node)
            if not isinstance(key_node, ScalarNode):
                self.report("spec.syntax", "a key is a plain word", key_position)
                continue
            key = str(key_node.value)
            here = (*path, key)
            if key in data:
                first = entries[here].key.line
                self.report(
                    "spec.duplicate-key",
                    f"`{'.'.join(here)}` is given twice; the first is on line {first}",
                    key_position,
                    "keep one of them",
                )
                continue
            entries[here] = self.entry(key_position, value_node)
            data[key] = self.value(value_node, here, entries)
        return data

    def value(self, node: Node, path: KeyPath, entries: dict[KeyPath, Entry]) -> Any:
        """Read any node as plain data."""
        self.visited += 1
        if any(node is other for other in self.open_nodes) or self.visited > _MAX_NODES:
            if self.visited <= _MAX_NODES or not self.diagnostics:
                message = "an alias contains itself, or aliases multiply beyond reason"
                self.report("spec.syntax", message, self.mark(node), "write the values out")
            return None
        self.open_nodes.append(node)
        try:
            if isinstance(node, MappingNode):
                return self.mapping(node, path, entries)
            if isinstance(node, SequenceNode):
                return [
                    self.value(child, (*path, str(index)), entries)
                    for index, child in enumerate(node.value)
                ]
            return self.scalar(node)
        finally:
            self.open_nodes.pop()

    def scalar(self, node: Node) -> Any:
        """Read a scalar by the core schema of YAML 1.2; a date stays text."""
        tag, text = str(node.tag).removeprefix(_TAG), str(node.value)
        try:
            if tag == "null":
                return None
            if tag == "bool":
                return text.lower() == "true"
            if tag == "int":
                return int(text.replace("_", ""), 0 if text.lstrip("+-")[1:2] in "xob" else 10)
            if tag == "float":
                return float(
                    text.replace("_", "").lower().replace(".inf", "inf").replace(".nan", "nan")
                )
        except ValueError:
            return text
        if tag not in ("str", "timestamp"):
            message = f"the tag `!!{tag}` has no meaning in a spec"
            self.report("spec.syntax", message, self.mark(node), "remove it")
        return text

    def entry(self, key: Position, node: Node) -> Entry:
        """Note where a value stands, line by line if it is text."""
        value = self.mark(node)
        if not isinstance(node, ScalarNode):
            return Entry(key, value)
        if node.start_mark.index == node.end_mark.index:
            return Entry(key, key)
        if node.style == "|":
            return Entry(key, value, tuple(self.block_lines(node)))
        if node.start_mark.line != node.end_mark.line or node.style == ">":
            return Entry(key, value, folded=True)
        quote = 1 if node.style in ("'", '"') else 0
        inner = Position(value.file, value.line, value.column + quote, value.length, value.text)
        return Entry(key, value, (inner,) if "\n" not in node.value else ())

    def block_lines(self, node: ScalarNode) -> Iterator[Position]:
        """Place each line of a literal block: it is a source line less its indentation."""
        if not node.value:
            return
        for offset, line in enumerate(node.value.removesuffix("\n").split("\n")):
            number = node.start_mark.line + 1 + offset
            source = self.source[number]
            yield self.position(number, len(source) - len(line), len(line))

    def report(self, code: str, message: str, where: Position, hint: str | None = None) -> None:
        """Add a finding."""
        self.diagnostics.append(Diagnostic(code, message, where, hint))

    def odd_line_break(self, text: str, index: int) -> Diagnostic:
        """Refuse a character that only some readers of the file take for the end of a line."""
        message = f"an unusual line break stands here (U+{ord(text[index]):04X})"
        before = text[:index]
        where = self.position(before.count("\n"), len(before.rpartition("\n")[2]))
        return Diagnostic("spec.syntax", message, where, "replace it by an ordinary one")

    def syntax(self, error: YAMLError) -> Diagnostic:
        """Translate the YAML parser's error."""
        where = Position(self.file, 1, 1)
        message, hint = str(error), None
        if isinstance(error, MarkedYAMLError):
            mark = error.problem_mark or error.context_mark
            if error.context_mark is not None and _is_open(error.problem or ""):
                # The end of the file is where it shows; what was opened is where it is mended.
                mark = error.context_mark
            if mark is not None:
                where = self.position(mark.line, mark.column)
            message = (error.problem or error.context or "this is not YAML").removeprefix("but ")
            hint = _syntax_hint(message, where.text or "")
        elif isinstance(error, ReaderError):
            message, hint = "a control character stands in the file", "remove it"
            before = "\n".join(self.source).encode()[: error.position].decode(errors="ignore")
            where = self.position(before.count("\n"), len(before.rpartition("\n")[2]))
        return Diagnostic("spec.syntax", f"YAML: {message}", where, hint)


def _is_open(problem: str) -> bool:
    return "end>" in problem or "end of stream" in problem or "expected ':'" in problem


def _syntax_hint(problem: str, line: str) -> str | None:
    if "\\t" in problem or "\t" in line:
        return "YAML is indented with spaces; replace the tab"
    if "mapping values are not allowed" in problem:
        return "a value that holds `: ` needs quotes; or a line is indented too far"
    if "could not find expected ':'" in problem:
        return "a key needs `:` and a space after it"
    if "',' or ']'" in problem or "',' or '}'" in problem:
        return "a bracket is not closed, or a comma is missing"
    if "end of stream" in problem:
        return "a quote is not closed"
    if "<block end>" in problem:
        return "lines of one section begin in the same column"
    if "another document" in problem:
        return "a spec is one document: remove the line `---`"
    return None
