"""The versions that results depend on."""

from __future__ import annotations

import platform
from importlib.metadata import version

from agilenn_cc import __version__

_TOOLS = ("tensorflow", "tf-keras", "numpy", "unicorn")


def versions() -> dict[str, str]:
    """Return name to version of this package, of Python and of the libraries that compute."""
    return {
        "agilenn-cc": __version__,
        "python": platform.python_version(),
        **{name: version(name) for name in _TOOLS},
    }
