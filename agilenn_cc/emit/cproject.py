"""Reads a .cproject and derives the command lines that STM32CubeIDE would run."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from agilenn_cc.errors import AgilennError, ExitCode
from agilenn_cc.targets.cores import core_of

from .cubeide import MANAGED_BUILD

_CPP_SOURCES: Final = {".cpp", ".cc", ".cxx"}


@dataclass(frozen=True)
class CommandLines:
    """One configuration as commands; paths are relative to the project's folder.

    `compile` maps a source to the arguments before `-o OBJECT`; `link` lacks objects, the
    `libraries` that follow them, and output.
    """

    project: str
    compile: dict[str, tuple[str, ...]]
    link: tuple[str, ...]
    libraries: tuple[str, ...]


class _Configuration:
    """Access to the options of one configuration by their super class."""

    def __init__(self, element: ET.Element) -> None:
        tool_chain = element.find("folderInfo/toolChain")
        assert tool_chain is not None
        self.tool_chain = tool_chain
        self.tools = {
            tool.get("superClass", "").removeprefix(MANAGED_BUILD + "."): tool
            for tool in tool_chain.findall("tool")
        }
        self.source_folders = [
            entry.get("name", "") for entry in element.findall("sourceEntries/entry")
        ]

    def value(self, name: str, tool: str | None = None) -> str | None:
        """Return an option's value, for an enumerated one the last part of its id."""
        option = self._option(name, tool)
        if option is None:
            return None
        value = option.get("value", "")
        return value.rsplit(".", 1)[1] if option.get("valueType") == "enumerated" else value

    def values(self, name: str, tool: str) -> tuple[str, ...]:
        """Return the entries of a list option."""
        option = self._option(name, tool)
        entries = [] if option is None else option.findall("listOptionValue")
        return tuple(entry.get("value", "") for entry in entries)

    def _option(self, name: str, tool: str | None) -> ET.Element | None:
        parent = self.tool_chain if tool is None else self.tools[tool]
        full = f"{MANAGED_BUILD}.{name if tool is None else f'{tool}.{name}'}"
        return next((o for o in parent.findall("option") if o.get("superClass") == full), None)


def command_lines(project_dir: Path, configuration: str) -> CommandLines:
    """Derive compiler and linker command lines of a configuration (`Debug`, `Release`).

    Raises AgilennError (usage) if the folder is no CubeIDE project or lacks the configuration.
    """
    try:
        project = ET.parse(project_dir / ".project").getroot().findtext("name") or ""
        root = ET.parse(project_dir / ".cproject").getroot()
    except (OSError, ET.ParseError) as error:
        raise AgilennError.of(
            ExitCode.USAGE,
            "emit.no-project",
            f"{project_dir} is no STM32CubeIDE project: {error}",
            hint="name a folder that agilenn-cc build has written",
        ) from error
    found = [
        c for c in root.iter("configuration") if c.get("name") == configuration and c.get("parent")
    ]
    if not found:
        raise AgilennError.of(
            ExitCode.USAGE,
            "emit.no-configuration",
            f"{project_dir} has no configuration '{configuration}'",
            hint="Debug and Release are emitted",
        )
    settings = _Configuration(found[0])
    core = _core_flags(settings)
    sources = _sources(project_dir, settings.source_folders)
    return CommandLines(
        project,
        {source: ("arm-none-eabi-g++", source, *_compile(settings, core)) for source in sources},
        ("arm-none-eabi-g++", *_link(settings, core)),
        tuple(f"-l{name}" for name in settings.values("option.libraries", "tool.cpp.linker")),
    )


def _core_flags(settings: _Configuration) -> tuple[str, ...]:
    mcu = settings.value("option.target_mcu") or ""
    core = core_of(mcu)
    if core is None:
        raise AgilennError.of(
            ExitCode.UNSUPPORTED, "emit.unknown-mcu", f"core of '{mcu}' is unknown"
        )
    fpu = settings.value("option.fpu")
    abi = settings.value("option.floatabi") or "soft"
    return (
        f"-mcpu={core.cpu}",
        *((f"-mfpu={fpu}",) if fpu else ()),
        f"-mfloat-abi={abi}",
        "-mthumb",
    )


def _compile(settings: _Configuration, core: tuple[str, ...]) -> tuple[str, ...]:
    tool = "tool.cpp.compiler"
    standard = (settings.value("option.languagestandard", tool) or "gnupp14").replace("pp", "++")
    level = settings.value("option.optimization.level", tool) or "o0"
    return (
        core[0],
        f"-std={standard}",
        f"-{settings.value('option.debuglevel', tool)}",
        *(f"-D{symbol}" for symbol in settings.values("option.definedsymbols", tool)),
        "-c",
        *(f"-I{path.removeprefix('../')}" for path in settings.values("option.includepaths", tool)),
        f"-O{level[1:]}",
        "-ffunction-sections",
        "-fdata-sections",
        "-fno-exceptions",
        "-fno-rtti",
        "-fno-use-cxa-atexit",
        "-Wall",
        *settings.values("option.otherflags", tool),
        "-fstack-usage",
        "--specs=nano.specs",
        *core[1:],
    )


def _link(settings: _Configuration, core: tuple[str, ...]) -> tuple[str, ...]:
    tool = "tool.cpp.linker"
    script = settings.value("option.script", tool) or ""
    relative = script.removeprefix("${workspace_loc:/${ProjName}/").removesuffix("}")
    return (
        core[0],
        f"-T{relative}",
        "--specs=nosys.specs",
        *(("-Wl,--gc-sections",) if settings.value("option.gcsections", tool) == "true" else ()),
        "-static",
        *settings.values("option.otherflags", tool),
        *(f"-L{path.removeprefix('../')}" for path in settings.values("option.directories", tool)),
        "--specs=nano.specs",
        *core[1:],
        "-Wl,--start-group",
        "-lc",
        "-lm",
        "-lstdc++",
        "-lsupc++",
        "-Wl,--end-group",
    )


def _sources(project_dir: Path, folders: list[str]) -> list[str]:
    return sorted(
        path.relative_to(project_dir).as_posix()
        for folder in folders
        for path in (project_dir / folder).rglob("*")
        if path.suffix in _CPP_SOURCES
    )
