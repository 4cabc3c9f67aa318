"""Jinja environment of the project templates."""

from __future__ import annotations

import json
import re
from functools import cache
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from jinja2.ext import Extension

from agilenn_cc.resources import templates_dir


def _hex32(value: int) -> str:
    return f"0x{value:08X}"


def _cpp(value: bool) -> str:
    return "true" if value else "false"


def cpp_string(text: str) -> str:
    """Return a C++ string literal; what is not ASCII becomes octal escapes of its UTF-8 bytes."""
    escaped = "".join(
        chr(byte) if 0x20 <= byte < 0x7F and chr(byte) not in '"\\' else f"\\{byte:03o}"
        for byte in text.encode()
    )
    return f'"{escaped}"'


class _BlankLines(Extension):
    """Keeps a blank line behind a line statement, whose end takes all white space to it."""

    _BLANK_BEHIND_STATEMENT = re.compile(r"^([ \t]*%%[^\n]*\n)(?=\n)", re.MULTILINE)

    def preprocess(self, source: str, name: str | None, filename: str | None = None) -> str:
        """Begin such a line with an empty comment."""
        return self._BLANK_BEHIND_STATEMENT.sub(r"\1{##}", source)


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(templates_dir() / "project"),
        line_statement_prefix="%%",
        undefined=StrictUndefined,
        keep_trailing_newline=True,
        autoescape=False,
        extensions=[_BlankLines],
    )
    environment.filters |= {"hex32": _hex32, "cpp": _cpp, "cpp_string": cpp_string}
    return environment


def render(template: str, **values: Any) -> bytes:
    """Render `templates/project/<template>` as UTF-8."""
    return _environment().get_template(template).render(**values).encode()


def canonical_json(value: Any) -> bytes:
    """Return JSON with sorted keys and a final newline: equal values give equal bytes."""
    return (json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False) + "\n").encode()
