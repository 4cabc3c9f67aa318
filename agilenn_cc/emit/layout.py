"""Folders and flags that all build descriptions of a project share."""

from __future__ import annotations

from typing import Final

from agilenn_cc.kernels.library import Library
from agilenn_cc.targets import Target

SOURCE_FOLDERS: Final = ("App", "Board", "Generated", "Runtime")
# -Wall is CubeIDE's own; unused code is dropped by sections.
WARNING_FLAGS: Final = ("-Wall", "-Wextra")
# The project has its own start-up, so the toolchain's stays out.
LINKER_FLAGS: Final = ("-nostartfiles",)


def include_folders(library: Library | None) -> tuple[str, ...]:
    """Return the folders that the compiler searches for headers."""
    return SOURCE_FOLDERS if library is None else (*SOURCE_FOLDERS, library.include_folder)


def symbols(target: Target) -> tuple[str, ...]:
    """Return the preprocessor symbols of every configuration: the part, as ST names it."""
    return () if target.ide is None else (target.ide.mcu[:9] + "xx",)


def linker_script(target: Target) -> str:
    """Return the name of the project's linker script, as CubeIDE would call it."""
    if target.ide is None:
        return f"{target.mcu.name}.ld"
    return target.ide.linker_script
