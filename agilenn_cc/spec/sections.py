"""Walks the sections of the spec model: which keys exist where."""

from __future__ import annotations

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from agilenn_cc.spec.model import Spec
from agilenn_cc.spec.source import KeyPath


def key_name(info: FieldInfo, name: str) -> str:
    """Return the YAML key of a field."""
    return info.alias or name


def section_of(info: FieldInfo) -> type[BaseModel] | None:
    """Return the section model that a field holds, None for a plain value."""
    kind = info.annotation
    return kind if isinstance(kind, type) and issubclass(kind, BaseModel) else None


def sections() -> dict[KeyPath, type[BaseModel]]:
    """Return every section of a spec by its key path; the spec itself is ()."""
    found: dict[KeyPath, type[BaseModel]] = {(): Spec}
    pending: list[KeyPath] = [()]
    while pending:
        path = pending.pop(0)
        for name, info in found[path].model_fields.items():
            section = section_of(info)
            if section is not None:
                child = (*path, key_name(info, name))
                found[child] = section
                pending.append(child)
    return found


def keys_of(section: type[BaseModel]) -> dict[str, FieldInfo]:
    """Return the YAML keys of a section with their fields."""
    return {key_name(info, name): info for name, info in section.model_fields.items()}
