"""Build directories: where they lie, what they hold, and how a user names one."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agilenn_cc.errors import AgilennError, ExitCode

BUILD_ROOT = Path("build")
_MANIFEST_KEYS = ("name", "target", "model_id")


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
    def has_server(self) -> bool:
        """Whether the model is split: a network that runs on the device alone has no server."""
        return self.manifest.get("scheme") != "on-device"

    @property
    def server_module(self) -> Path:
        """The server's Python module."""
        return self.server / f"{self.manifest['name']}_server"

    @property
    def manifest(self) -> dict[str, Any]:
        """What the build is made of."""
        manifest = self._json("manifest.json")
        lacking = [key for key in _MANIFEST_KEYS if not isinstance(manifest.get(key), str)]
        if lacking:
            raise self.unreadable("manifest.json", f"it lacks {', '.join(lacking)}")
        return manifest

    @property
    def report(self) -> dict[str, Any]:
        """What the build costs and was proved to do."""
        return self._json("report.json")

    def _json(self, name: str) -> dict[str, Any]:
        path = self.path / name
        try:
            content = json.loads(path.read_text())
        except (OSError, ValueError) as error:
            raise self.unreadable(name, str(error)) from error
        if not isinstance(content, dict):
            raise self.unreadable(name, "it is no JSON object")
        return content

    def unreadable(self, name: str, reason: str) -> AgilennError:
        """Return the error that says that a file of the build is damaged."""
        return AgilennError.of(
            ExitCode.USAGE,
            "build.unreadable",
            f"{self.path / name} cannot be read: {reason}",
            hint="build it again: agilenn-cc build SPEC --target NAME",
        )


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
