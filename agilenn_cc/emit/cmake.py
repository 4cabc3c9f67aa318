"""CMake description of the project: the build without the IDE."""

from __future__ import annotations

from agilenn_cc.kernels.library import Library
from agilenn_cc.targets import Target

from .layout import (
    LINKER_FLAGS,
    SOURCE_FOLDERS,
    WARNING_FLAGS,
    include_folders,
    linker_script,
    symbols,
)
from .render import render


def emit_cmake(name: str, target: Target, library: Library | None) -> dict[str, bytes]:
    """Return CMakeLists.txt and, for a microcontroller, the toolchain file."""
    values = {
        "name": name,
        "target": target,
        "source_folders": SOURCE_FOLDERS,
        "include_folders": include_folders(library),
        "library": library,
        "symbols": symbols(target),
        "linker_script": None if target.mcu.native else linker_script(target),
        "warning_flags": WARNING_FLAGS,
        "linker_flags": LINKER_FLAGS,
    }
    files = {"CMakeLists.txt": render("CMakeLists.txt.j2", **values)}
    if not target.mcu.native:
        files["arm-none-eabi.cmake"] = render("arm-none-eabi.cmake.j2", **values)
    return files
