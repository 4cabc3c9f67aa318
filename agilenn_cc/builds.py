"""Build directories: where they lie, what they hold, and how a user names one."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agilenn_cc.errors import AgilennError, ExitCode

BUILD_ROOT = Path("build")


@dataclass(frozen=True)
class BuildDirectory:
    """A finished build."""

    path: Path

    @property
    def project(self) -> Path:
        """The STM32CubeIDE project."""
        return self.path / "project"

    @property
    def server(self) -> Path:
        """The folder that holds the server's Python module."""
        return self.path / "server"

    @property
    def server_module(self) -> Path:
        """The server's Python module."""
        return self.server / f"{self.manifest['name']}_server"

    @property
    def manifest(self) -> dict[str, Any]:
        """What the build is made of."""
        return self._json("manifest.json")

    @property
    def report(self) -> dict[str, Any]:
        """What the build costs and was proved to do."""
        return self._json("report.json")

    def _json(self, name: str) -> dict[str, Any]:
        path = self.path / name
        try:
            content: dict[str, Any] = json.loads(path.read_text())
        except (OSError, ValueError) as error:
            raise AgilennError.of(
                ExitCode.USAGE,
                "build.unreadable",
                f"{path} cannot be read: {error}",
                hint="build it again: agilenn-cc build SPEC --target NAME",
            ) from error
        return content


def is_build(path: Path) -> bool:
    """Whether a path is a build directory."""
    return (path / "manifest.json").is_file()


def find_build(path: Path | None) -> BuildDirectory:
    """Return the named build, or the only one under `build/`.

    Raises:
        AgilennError: exit code 2 where there is none, or more than one to choose from.
    """
    if path is not None:
        if not is_build(path):
            raise AgilennError.of(
                ExitCode.USAGE,
                "build.none",
                f"{path} is no build directory: it has no manifest.json",
                hint="name a folder that 'agilenn-cc build' made, such as build/digits-stm32f746",
            )
        return BuildDirectory(path)
    candidates = sorted(p for p in BUILD_ROOT.glob("*") if is_build(p))
    if len(candidates) == 1:
        return BuildDirectory(candidates[0])
    if not candidates:
        raise AgilennError.of(
            ExitCode.USAGE,
            "build.none",
            "there is no build under build/",
            hint="make one first: agilenn-cc build examples/digits/spec.yaml --target stm32f746",
        )
    raise AgilennError.of(
        ExitCode.USAGE,
        "build.many",
        "there are several builds under build/: " + ", ".join(p.name for p in candidates),
        hint=f"name the one you mean, for instance {candidates[0]}",
    )
