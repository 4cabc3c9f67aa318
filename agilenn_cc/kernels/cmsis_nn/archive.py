"""Reads a static library: which functions it defines, and for which core it was compiled."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from elftools.common.exceptions import ELFError
from elftools.elf.elffile import ELFFile
from elftools.elf.sections import ARMAttributesSection, SymbolTableSection

from agilenn_cc.errors import AgilennError, ExitCode
from agilenn_cc.targets import Target

# Member header of the common archive format: name, date, owner, group, mode, size, end mark.
_MAGIC, _HEADER_BYTES, _SIZE = b"!<arch>\n", 60, slice(48, 58)

# Values of Tag_CPU_arch (Addenda to the ABI for the Arm Architecture, section 3.3.5.2).
_NAMES = {
    10: "v7-M",
    11: "v6-M",
    12: "v6S-M",
    13: "v7E-M",
    16: "v8-M.baseline",
    17: "v8-M.mainline",
    21: "v8.1-M.mainline",
}
_V6M = (11, 12)
_V7EM = (*_V6M, 10, 13)
_V8_MAIN = (*_V7EM, 16, 17)
_RUNS = {
    "cortex-m0": _V6M,
    "cortex-m0plus": _V6M,
    "cortex-m1": _V6M,
    "cortex-m3": (*_V6M, 10),
    "cortex-m4": _V7EM,
    "cortex-m7": _V7EM,
    "cortex-m23": (*_V6M, 16),
    "cortex-m33": _V8_MAIN,
    "cortex-m55": (*_V8_MAIN, 21),
    "cortex-m85": (*_V8_MAIN, 21),
}
"""What each core executes; the last is its own architecture."""

# Values of Tag_FP_arch, by the beginning of -mfpu; both have 16 double registers.
_FPUS = {"fpv4": (6,), "fpv5": (6, 8)}
_SINGLE_ONLY = 1  # Tag_ABI_HardFP_use
_HARD = 1  # Tag_ABI_VFP_args


@dataclass(frozen=True)
class Architecture:
    """What an object was compiled for, by the values of its build attributes."""

    cpu: int
    profile: int
    fpu: int
    double: bool
    hard_float: bool

    def __str__(self) -> str:
        """Describe it in the words of compiler options."""
        name = _NAMES.get(self.cpu, f"architecture {self.cpu}")
        if self.cpu == 10 and self.profile != ord("M"):
            name = "v7, not of a microcontroller"
        precision = "double" if self.double else "single"
        fpu = f"{precision} precision FPU" if self.fpu else "no FPU"
        return f"{name}, {fpu}, {'hard' if self.hard_float else 'soft'} float ABI"

    def misfit(self, target: Target) -> str | None:
        """Return why a target cannot run it or link with it, or None."""
        if self.cpu not in _RUNS.get(target.cpu, ()) or (self.cpu == 10 and self.profile != 77):
            return f"{target.cpu} does not execute it"
        if self.hard_float != (target.float_abi == "hard"):
            return f"the project passes floating-point values by -mfloat-abi={target.float_abi}"
        allowed = _FPUS.get((target.fpu or "")[:4], ())
        if self.fpu and self.fpu not in allowed:
            return f"the board's FPU is {target.fpu or 'none'}"
        if self.double and "-sp-" in (target.fpu or ""):
            return f"the board's FPU, {target.fpu}, has single precision only"
        return None

    def is_own(self, target: Target) -> bool:
        """Tell whether it is the very architecture of the target's core."""
        return _RUNS[target.cpu][-1] == self.cpu


@dataclass(frozen=True)
class Archive:
    """A static library; `architectures` are the different ones of its objects."""

    path: Path
    content: bytes
    defines: frozenset[str]
    architectures: tuple[Architecture, ...]

    def misfit(self, target: Target) -> str | None:
        """Return why a target cannot use it, or None."""
        for architecture in self.architectures:
            if reason := architecture.misfit(target):
                return f"it was built for {architecture}; {reason}"
        return None


def read_archive(path: Path) -> Archive:
    """Read a static library of Arm objects.

    Raises AgilennError (exit code 7) if the file cannot be read or is none.
    """
    defines: set[str] = set()
    architectures: dict[Architecture, None] = {}
    try:
        content = path.read_bytes()
        for member in _members(content):
            elf = ELFFile(io.BytesIO(member))
            if elf["e_machine"] != "EM_ARM":
                raise _unreadable(path, f"its objects are for {elf.get_machine_arch()}, not Arm")
            architectures[_architecture(elf)] = None
            defines.update(_defined(elf))
    except (OSError, ELFError, ValueError) as error:
        raise _unreadable(path, str(error)) from error
    if not architectures:
        raise _unreadable(path, "it holds no object")
    return Archive(path, content, frozenset(defines), tuple(architectures))


def _unreadable(path: Path, reason: str) -> AgilennError:
    return AgilennError.of(
        ExitCode.EXTERNAL,
        "kernels.library-unreadable",
        f"{path} is no static library that can be linked: {reason}",
        hint="build the library with arm-none-eabi-gcc, as an ordinary archive without LTO",
    )


def _members(content: bytes) -> Iterator[bytes]:
    """Yield the content of each object; the archive's own tables are left out."""
    if not content.startswith(_MAGIC):
        raise ValueError("it does not begin as an archive does (a thin archive is none)")
    start = len(_MAGIC)
    while start + _HEADER_BYTES <= len(content):
        header = content[start : start + _HEADER_BYTES]
        size = int(header[_SIZE])
        start += _HEADER_BYTES
        # `/` is the symbol table, `//` the long names; `/123` and `name/` are objects.
        if header[:16].rstrip() not in (b"/", b"//", b"/SYM64/"):
            yield content[start : start + size]
        start += size + size % 2


def _architecture(elf: ELFFile) -> Architecture:
    tags: dict[str, int] = {}
    for section in elf.iter_sections():
        if isinstance(section, ARMAttributesSection):
            for vendor in section.iter_subsections():
                for scope in vendor.iter_subsubsections():
                    tags.update((a.tag, a.value) for a in scope.iter_attributes())
    fpu = tags.get("TAG_FP_ARCH", 0)
    return Architecture(
        cpu=tags.get("TAG_CPU_ARCH", 0),
        profile=tags.get("TAG_CPU_ARCH_PROFILE", 0),
        fpu=fpu,
        double=bool(fpu) and tags.get("TAG_ABI_HARDFP_USE", 0) != _SINGLE_ONLY,
        hard_float=tags.get("TAG_ABI_VFP_ARGS", 0) == _HARD,
    )


def _defined(elf: ELFFile) -> Iterator[str]:
    for section in elf.iter_sections():
        if isinstance(section, SymbolTableSection):
            for symbol in section.iter_symbols():
                shared = symbol["st_info"]["bind"] in ("STB_GLOBAL", "STB_WEAK")
                if shared and symbol["st_shndx"] != "SHN_UNDEF":
                    yield symbol.name
