"""Loads a spec in stages: YAML, then each key by itself, then what must hold between keys."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pydantic import ValidationError

from agilenn_cc.errors import AgilennError, Diagnostic, ExitCode, Position
from agilenn_cc.spec.check import check
from agilenn_cc.spec.messages import explain
from agilenn_cc.spec.model import Spec
from agilenn_cc.spec.overrides import apply_overrides
from agilenn_cc.spec.sections import sections
from agilenn_cc.spec.source import Document, read_document


def load_spec(path: Path | str, overrides: Sequence[str] = ()) -> Spec:
    """Read a spec file and apply `key=value` overrides.

    Raises:
        AgilennError: exit code 3, with all diagnostics of the first stage that finds any.
    """
    file = Path(path)
    document, diagnostics = read_document(_read_text(file), str(path))
    diagnostics += apply_overrides(document, overrides, file.parent)
    _raise_if(diagnostics)
    _fill_empty_sections(document)
    try:
        spec = Spec.model_validate(document.data)
    except ValidationError as error:
        raise AgilennError(ExitCode.SPEC, explain(error, document)) from None
    spec.remember(document, file.parent)
    _raise_if(check(spec, document))
    return spec


def _raise_if(diagnostics: tuple[Diagnostic, ...]) -> None:
    if diagnostics:
        raise AgilennError(ExitCode.SPEC, diagnostics)


def _read_text(file: Path) -> str:
    where = Position(str(file), 1, 1)
    try:
        return file.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        message, hint = "the file is not UTF-8 text", "save it as UTF-8"
        where = Position(str(file), line, 1)
    except FileNotFoundError:
        message, hint = f"there is no file {file}", "name the spec's YAML file"
        specs = sorted(file.parent.glob("*.yaml")) if file.parent.is_dir() else []
        if specs:
            hint = "in that folder are: " + ", ".join(spec.name for spec in specs[:8])
    except IsADirectoryError:
        message, hint = f"{file} is a folder", f"name the file in it: {file / 'spec.yaml'}"
    except OSError as error:
        message, hint = f"{file} cannot be read: {error.strerror}", "check its permissions"
    raise AgilennError.of(ExitCode.SPEC, "spec.file", message, hint=hint, where=where)


def _fill_empty_sections(document: Document) -> None:
    """Take a section key without anything below it (`training:`) for a section of defaults."""
    for path in sections():
        parent = document.data
        for part in path[:-1]:
            child = parent.get(part)
            parent = child if isinstance(child, dict) else {}
        if path and path[-1] in parent and parent[path[-1]] is None:
            parent[path[-1]] = {}
