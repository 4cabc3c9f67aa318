"""Loads what an installed package offers by entry point, and names the package if that fails."""

from __future__ import annotations

from importlib.metadata import EntryPoint
from typing import Any

from agilenn_cc.errors import AgilennError, ExitCode


def load_plugin(point: EntryPoint, kind: str) -> Any:
    """Return the object of an entry point; `kind` says in a message what it is.

    Raises:
        AgilennError: exit code 7 if the import fails, in whatever way.
    """
    try:
        return point.load()
    except Exception as error:
        package = point.dist.name if point.dist else "agilenn-cc"
        raise AgilennError.of(
            ExitCode.EXTERNAL,
            "plugin.broken",
            f"the {kind} `{point.name}` ({point.value}) cannot be loaded: "
            f"{type(error).__name__}: {error}",
            hint=f"repair or uninstall the package {package}",
        ) from error
