"""Finds the data that the package carries: templates and targets."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


def _find(name: str) -> Path:
    installed = _PACKAGE / f"_{name}"  # a wheel carries the folders inside the package
    return installed if installed.is_dir() else _PACKAGE.parent / name


def templates_dir() -> Path:
    """Return the folder of firmware, model, project and server templates."""
    return _find("templates")


def targets_dir() -> Path:
    """Return the folder of target descriptions."""
    return _find("targets")
