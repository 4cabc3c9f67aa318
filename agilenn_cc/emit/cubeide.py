"""Files by which STM32CubeIDE knows the project: .project, .cproject, .settings, .launch."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Final

from agilenn_cc.kernels.library import Library
from agilenn_cc.targets import Target

from .layout import LINKER_FLAGS, SOURCE_FOLDERS, WARNING_FLAGS, include_folders, symbols
from .render import render

MANAGED_BUILD: Final = "com.st.stm32cube.ide.mcu.gnu.managedbuild"

_NATURES: Final = (
    "com.st.stm32cube.ide.mcu.MCUProjectNature",
    "org.eclipse.cdt.core.cnature",
    "org.eclipse.cdt.core.ccnature",
    "com.st.stm32cube.ide.mcu.MCUCubeIdeServicesRevAev2ProjectNature",
    "com.st.stm32cube.ide.mcu.MCUManagedMakefileProjectNature",
    "com.st.stm32cube.ide.mcu.MCUSingleCpuProjectNature",
    "com.st.stm32cube.ide.mcu.MCURootProjectNature",
    "org.eclipse.cdt.managedbuilder.core.managedBuildNature",
    "org.eclipse.cdt.managedbuilder.core.ScannerConfigNature",
)
_PLAIN_TOOLS: Final = (
    ("archiver", "MCU/MPU GCC Archiver"),
    ("size", "MCU Size"),
    ("objdump.listfile", "MCU Output Converter list file"),
    ("objcopy.hex", "MCU Output Converter Hex"),
    ("objcopy.binary", "MCU Output Converter Binary"),
    ("objcopy.verilog", "MCU Output Converter Verilog"),
    ("objcopy.srec", "MCU Output Converter Motorola S-rec"),
    ("objcopy.symbolsrec", "MCU Output Converter Motorola S-rec with symbols"),
)


@dataclass
class _Ids:
    """Unique ids of one configuration's elements: super class, dot, number.

    Numbers come from the project's name, so that two emissions are equal.
    """

    scope: str
    taken: set[int]
    known: dict[str, str] = field(default_factory=dict)

    def __call__(self, suffix: str) -> str:
        if suffix not in self.known:
            number = unique_number(f"{self.scope}/{suffix}", self.taken)
            self.known[suffix] = f"{MANAGED_BUILD}.{suffix}.{number}"
        return self.known[suffix]


def unique_number(text: str, taken: set[int]) -> int:
    """Return a positive 31-bit number from `text` that is not in `taken`, and add it there."""
    number = int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big") >> 1
    while number in taken:
        number = (number + 1) % (1 << 31)
    taken.add(number)
    return number


@dataclass(frozen=True)
class _Configuration:
    """One build configuration in the words of CubeIDE."""

    name: str
    debug: str
    optimisation: str
    symbols: tuple[str, ...]
    defaults: str

    @property
    def key(self) -> str:
        return self.name.lower()


def _configuration(target: Target, library: Library | None, *, debug: bool) -> _Configuration:
    name = "Debug" if debug else "Release"
    defines = (*(("DEBUG",) if debug else ()), *symbols(target))
    # Positions of this list as CubeIDE writes it; empty ones keep their place.
    defaults = (
        "com.st.stm32cube.ide.common.services.build.inputs.revA.1.0.6",
        name,
        "true" if debug else "false",
        "Executable",
        f"{MANAGED_BUILD}.option.toolchain.value.workspace",
        target.cubeide.mcu,
        "0",
        "0",
        "arm-none-eabi-",
        "${gnu_tools_for_stm32_compiler_path}",
        " | ".join(f"../{folder}" for folder in include_folders(library)),
        "",
        "",
        " | ".join(defines),
        "",
        " | ".join(SOURCE_FOLDERS),
        "",
        "",
        f"${{workspace_loc:/${{ProjName}}/{target.cubeide.linker_script}}}",
        "true",
        "NonSecure",
        "",
        "secure_nsclib.o",
        "",
        "None",
        "",
        "",
        "",
    )
    return _Configuration(
        name, "g3", "og" if debug else "o3", defines, " || ".join(defaults).rstrip(" ") + " "
    )


def emit_cubeide(name: str, target: Target, library: Library | None) -> dict[str, bytes]:
    """Return the files that STM32CubeIDE reads; none for a part that it does not know."""
    if target.ide is None:
        return {}
    configurations = tuple(_configuration(target, library, debug=debug) for debug in (True, False))
    taken: set[int] = set()
    ids = {c.key: _Ids(f"{name}/{c.key}", taken) for c in configurations}
    values = {
        "name": name,
        "target": target,
        "mb": MANAGED_BUILD,
        "natures": _NATURES,
        "configurations": configurations,
        "ids": ids,
        "include_folders": include_folders(library),
        "library": library,
        "source_folders": SOURCE_FOLDERS,
        "warning_flags": WARNING_FLAGS,
        "linker_flags": LINKER_FLAGS,
        "plain_tools": _PLAIN_TOOLS,
        "project_number": unique_number(name, taken),
    }
    encoding = "eclipse.preferences.version=1\nencoding/<project>=UTF-8\n"
    return {
        ".project": render("project.xml.j2", **values),
        ".cproject": render("cproject.xml.j2", **values),
        f"{name}.launch": render("launch.xml.j2", **values),
        ".settings/org.eclipse.core.resources.prefs": encoding.encode(),
    }
