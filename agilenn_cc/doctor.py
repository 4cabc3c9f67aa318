"""What this machine has of what the toolchain needs, and what to type for the rest."""

from __future__ import annotations

import importlib.metadata
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass

from agilenn_cc.cache import default_root

_PACKAGES = ("tensorflow", "tf-keras", "tensorflow-model-optimization", "unicorn", "pyelftools")


@dataclass(frozen=True)
class Finding:
    """One thing looked for; `remedy` says what to type if it is missing."""

    name: str
    needed_for: str
    found: str | None
    required: bool
    remedy: str

    @property
    def ok(self) -> bool:
        """Whether it is there."""
        return self.found is not None


def _first_line(command: list[str]) -> str | None:
    if shutil.which(command[0]) is None:
        return None
    result = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)
    return result.stdout.splitlines()[0] if result.returncode == 0 and result.stdout else None


def _package_version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _newlib() -> str | None:
    path = _first_line(["arm-none-eabi-gcc", "-print-file-name=nano.specs"])
    return path if path and os.path.isabs(path) else None


def _writable_cache() -> str | None:
    root = default_root()
    try:
        root.mkdir(parents=True, exist_ok=True)
    except OSError:
        return None
    return str(root) if os.access(root, os.W_OK) else None


def examine() -> Iterator[Finding]:
    """Yield every finding, required things first."""
    version = ".".join(map(str, sys.version_info[:3]))
    supported = (3, 10) <= sys.version_info[:2] <= (3, 13)
    yield Finding(
        "Python 3.10-3.13",
        "everything",
        version if supported else None,
        True,
        f"this is Python {version}; make .venv with another one: PYTHON=python3.12 script/setup",
    )
    for package in _PACKAGES:
        yield Finding(
            package,
            "training" if "tensor" in package or "keras" in package else "verification",
            _package_version(package),
            True,
            f"pip install {package}",
        )
    yield Finding(
        "arm-none-eabi-gcc",
        "sizes, verification, simulation",
        _first_line(["arm-none-eabi-gcc", "--version"]),
        True,
        "sudo apt-get install --no-install-recommends gcc-arm-none-eabi",
    )
    yield Finding(
        "newlib (nano.specs)",
        "linking firmware",
        _newlib(),
        True,
        "sudo apt-get install --no-install-recommends libnewlib-arm-none-eabi",
    )
    yield Finding(
        "g++",
        "host verification with sanitizers",
        _first_line(["g++", "--version"]),
        True,
        "sudo apt-get install g++",
    )
    yield Finding(
        "cache folder",
        "results of earlier stages",
        _writable_cache(),
        True,
        "set AGILENN_CACHE to a folder that you may write",
    )
    yield Finding(
        "cmake",
        "building the project without the IDE",
        _first_line(["cmake", "--version"]),
        False,
        "sudo apt-get install cmake",
    )
    yield Finding(
        "STM32CubeIDE",
        "opening and debugging the project",
        shutil.which("stm32cubeide"),
        False,
        "install it from st.com if you like; the project also builds with CMake",
    )
