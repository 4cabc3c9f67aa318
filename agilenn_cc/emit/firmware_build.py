"""Builds the ELF of an emitted project as its .cproject says, or its CMakeLists.txt."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from shutil import which

from agilenn_cc.errors import AgilennError, Diagnostic, ExitCode

from .cproject import command_lines

_INSTALL = "type: apt-get install --no-install-recommends gcc-arm-none-eabi libnewlib-arm-none-eabi"

_OVERFLOW = re.compile(r"region `(\w+)' overflowed by (\d+) bytes")

_SHOWN_LINES = 20  # the first error matters, the rest follows from it


class RegionOverflowError(AgilennError):
    """The program is larger than the board's memory; `overflow` is region to missing bytes."""

    def __init__(self, overflow: dict[str, int]) -> None:
        super().__init__(
            ExitCode.BUDGET,
            [
                Diagnostic(
                    "fit.region",
                    f"the program does not fit: {region} is {count:,} bytes too small",
                    hint="what you added under App/ counts too; see 'agilenn-cc analyze'",
                )
                for region, count in overflow.items()
            ],
        )
        self.overflow = overflow


def build_elf(
    project_dir: Path,
    configuration: str = "Release",
    *,
    out_dir: Path,
    extra_flags: Sequence[str] = (),
) -> Path:
    """Compile and link a project into `out_dir`; return the ELF `<project>.elf`.

    A project that STM32CubeIDE does not know (no .cproject) is built by its CMake description.

    Beside it lie the map file and, per object, its call graph with stack frames (`.ci`, from a
    compiler that can write it: GCC 10) or its stack usage (`.su`). The ELF holds no path of
    this machine. `extra_flags` go to every compilation. Raises RegionOverflowError if the program
    is larger than a memory region, AgilennError (external) if the toolchain is missing or reports
    another error.
    """
    project_dir = Path(project_dir).resolve()
    out_dir = Path(out_dir).resolve()
    if not (project_dir / ".cproject").exists() and (project_dir / "CMakeLists.txt").exists():
        return _build_by_cmake(project_dir, configuration, out_dir, extra_flags)
    commands = command_lines(project_dir, configuration)
    _require_toolchain()
    out_dir.mkdir(parents=True, exist_ok=True)
    objects = []
    for source, command in commands.compile.items():
        object_file = out_dir / f"{source}.o"
        object_file.parent.mkdir(parents=True, exist_ok=True)
        # The IDE's folder would stand in the debug information; an empty one does instead.
        anonymous = f"-ffile-prefix-map={project_dir}=."
        flags = (*extra_flags, *_call_graph_flags(), anonymous)
        _run((*command, *flags, "-o", str(object_file)), project_dir)
        objects.append(str(object_file))
    elf = out_dir / f"{commands.project}.elf"
    map_file = f"-Wl,-Map={elf.with_suffix('.map')}"
    inputs = (*objects, *commands.libraries)
    _run((*_linkable(commands.link), map_file, *inputs, "-o", str(elf)), project_dir)
    return elf


def _build_by_cmake(
    project_dir: Path, configuration: str, out_dir: Path, extra_flags: Sequence[str]
) -> Path:
    toolchain = project_dir / "arm-none-eabi.cmake"
    cross = (f"-DCMAKE_TOOLCHAIN_FILE={toolchain}",) if toolchain.exists() else ()
    if cross:
        _require_toolchain()
    if which("cmake") is None:
        raise AgilennError.of(
            ExitCode.EXTERNAL,
            "tool.missing",
            "cmake is not installed",
            hint="type: apt-get install --no-install-recommends cmake make g++",
        )
    # The environment's flags come first, so that they cannot undo the project's own.
    flags = (*extra_flags, *(_call_graph_flags() if cross else ()))
    environment = {**os.environ, "CXXFLAGS": " ".join(flags)}
    source = ("-S", str(project_dir), "-B", str(out_dir), f"-DCMAKE_BUILD_TYPE={configuration}")
    _run(("cmake", *source, *cross), project_dir, environment)
    _run(("cmake", "--build", str(out_dir)), project_dir, environment)
    return next(out_dir.glob("*.elf"))


def _require_toolchain() -> None:
    if which("arm-none-eabi-g++") is None:
        raise AgilennError.of(
            ExitCode.EXTERNAL,
            "tool.missing",
            "arm-none-eabi-g++ is not installed",
            hint=_INSTALL,
        )


@cache
def _call_graph_flags() -> tuple[str, ...]:
    """Return what makes the compiler write the call graph; nothing if it cannot."""
    flag = "-fcallgraph-info=su"
    if which("arm-none-eabi-g++") is None:
        return ()
    asked = subprocess.run(
        ("arm-none-eabi-g++", flag, "-E", "-x", "c++", os.devnull),
        capture_output=True,
        check=False,
    )
    return (flag,) if asked.returncode == 0 else ()


@cache
def _has_libstdcxx() -> bool:
    """Tell whether the toolchain has libstdc++; GCC prints the bare name of what it lacks."""
    found = subprocess.run(
        ("arm-none-eabi-g++", "-print-file-name=libstdc++.a"),
        capture_output=True,
        text=True,
        check=False,
    )
    return Path(found.stdout.strip()).is_absolute()


def _linkable(link: tuple[str, ...]) -> tuple[str, ...]:
    """Return the link command for this toolchain.

    CubeIDE's toolchain always has libstdc++. Debian packs it apart (1.6 GB); the firmware uses
    nothing of it, so where it is absent the C driver links, which does not ask for it.
    """
    if _has_libstdcxx():
        return link
    rest = tuple(flag for flag in link[1:] if flag not in {"-lstdc++", "-lsupc++"})
    return ("arm-none-eabi-gcc", *rest)


def _run(command: Sequence[str], cwd: Path, environment: Mapping[str, str] | None = None) -> None:
    result = subprocess.run(
        command, cwd=cwd, env=environment, capture_output=True, text=True, check=False
    )
    output = result.stderr + result.stdout  # CMake passes the linker's words on as output
    overflow = {name: int(count) for name, count in _OVERFLOW.findall(output)}
    if result.returncode != 0 and overflow:
        raise RegionOverflowError(overflow)
    if result.returncode != 0:
        lines = (result.stderr.strip() or result.stdout.strip()).splitlines()
        raise AgilennError.of(
            ExitCode.EXTERNAL,
            "tool.failed",
            "\n".join((f"{command[0]} failed:", *lines[:_SHOWN_LINES])),
            hint=_hint(command, lines),
        )


def _hint(command: Sequence[str], lines: Sequence[str]) -> str:
    if any(line.startswith("App/") for line in lines):
        return (
            "App/ is yours and is never overwritten; if it came from an earlier version, move it "
            "away and build again: the new example shows what changed"
        )
    return "the command was: " + " ".join(command)
