"""Emitters of build descriptions: built-in ones and those of installed packages."""

from __future__ import annotations

from importlib.metadata import EntryPoint, entry_points
from typing import Final, Protocol

from agilenn_cc.kernels.library import Library
from agilenn_cc.plugins import load_plugin
from agilenn_cc.targets import Target

GROUP: Final = "agilenn_cc.emitters"
_BUILT_IN: Final = (
    EntryPoint("cubeide", "agilenn_cc.emit.cubeide:emit_cubeide", GROUP),
    EntryPoint("cmake", "agilenn_cc.emit.cmake:emit_cmake", GROUP),
)


class Emitter(Protocol):
    """Describes a project to a build system or an IDE."""

    def __call__(self, name: str, target: Target, library: Library | None) -> dict[str, bytes]:
        """Return files by their path in the project; none if it does not serve the target.

        `library` is to be compiled against and linked.
        """


def emitters() -> tuple[Emitter, ...]:
    """Return all emitters in the order of their names; an installed one replaces a namesake.

    Raises AgilennError (external) if a package's emitter cannot be loaded.
    """
    points = {point.name: point for point in (*_BUILT_IN, *entry_points(group=GROUP))}
    return tuple(load_plugin(points[name], "emitter") for name in sorted(points))
