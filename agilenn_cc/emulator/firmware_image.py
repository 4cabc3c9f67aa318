"""The ELF under test: what is loaded where, its functions by name and by address."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from elftools.common.exceptions import ELFError
from elftools.elf.elffile import ELFFile

from agilenn_cc.emulator.diagnostics import EmulationError
from agilenn_cc.errors import AgilennError, ExitCode, nearest

_NAME_PART = re.compile(r"(\d+)")
_COMPILER_SUFFIX = re.compile(r"\.(constprop|isra|part|cold|lto_priv)(\.\d+)*")


def readable_name(symbol: str) -> str:
    """Return the qualified name of an Itanium-mangled function, without its parameters.

    `_ZN7agilenn8push_rowEPKh` becomes `agilenn::push_row`; names of C functions and names that are
    not understood (templates, operators) come back unchanged.
    """
    base = _COMPILER_SUFFIX.sub("", symbol)
    if not base.startswith("_Z"):
        return base
    rest = base[2:].lstrip("L")
    nested = rest.startswith("N")
    if nested:
        rest = rest[1:].lstrip("KVr")
    parts: list[str] = []
    while match := _NAME_PART.match(rest.lstrip("L")):
        rest = rest.lstrip("L")
        length = int(match.group(1))
        start = match.end()
        part = rest[start : start + length]
        parts.append("(anonymous namespace)" if part.startswith("_GLOBAL__N") else part)
        rest = rest[start + length :]
        if not nested:
            break
    return "::".join(parts) if parts else base


@dataclass(frozen=True)
class Function:
    """A function of the ELF: `address` without the Thumb bit, `size` in bytes."""

    symbol: str
    name: str
    address: int
    size: int


@dataclass(frozen=True)
class Segment:
    """Bytes that the programmer writes to the load address (flash) before reset."""

    address: int
    data: bytes


class FirmwareImage:
    """A linked Cortex-M ELF file.

    Raises `AgilennError` (exit code 7) if the file is missing or is not a 32-bit ARM ELF.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.segments: tuple[Segment, ...] = ()
        self.symbols: dict[str, int] = {}
        functions: dict[int, Function] = {}
        self._code_ranges: list[tuple[int, int]] = []
        try:
            with path.open("rb") as stream:
                elf = ELFFile(stream)
                if elf.get_machine_arch() != "ARM" or elf.elfclass != 32:
                    raise _not_an_image(path, "it is not a 32-bit ARM ELF")
                self.segments = tuple(
                    Segment(segment["p_paddr"], segment.data())
                    for segment in elf.iter_segments()
                    if segment["p_type"] == "PT_LOAD" and segment["p_filesz"]
                )
                self._read_symbols(elf, functions)
        except OSError as error:
            raise _not_an_image(path, error.strerror or str(error)) from error
        except ELFError as error:
            raise _not_an_image(path, str(error)) from error
        self._functions = sorted(functions.values(), key=lambda function: function.address)
        self._addresses = [function.address for function in self._functions]

    def _read_symbols(self, elf: ELFFile, functions: dict[int, Function]) -> None:
        table: Any = elf.get_section_by_name(".symtab")
        if table is None:
            raise _not_an_image(self.path, "its symbol table was stripped")
        mapping: dict[int, list[tuple[int, str]]] = {}
        for entry in table.iter_symbols():
            name, value, section = entry.name, entry["st_value"], entry["st_shndx"]
            kind = entry["st_info"]["type"]
            if name.startswith("$"):
                if isinstance(section, int):
                    mapping.setdefault(section, []).append((value, name[1]))
                continue
            if not name or kind == "STT_FILE" or section == "SHN_UNDEF":
                continue
            self.symbols.setdefault(name, value)
            if kind == "STT_FUNC":
                address = value & ~1
                known = functions.get(address)
                # Aliases share an address: the sized, strong one names it.
                if known is None or (known.size == 0 and entry["st_size"]):
                    functions[address] = Function(
                        name, readable_name(name), address, entry["st_size"]
                    )
        for index, marks in mapping.items():
            section_header = elf.get_section(index)
            end = section_header["sh_addr"] + section_header["sh_size"]
            marks.sort()
            for (start, kind), (following, _) in zip(marks, [*marks[1:], (end, "")], strict=True):
                if kind == "t" and following > start:
                    self._code_ranges.append((start, following))
        self._code_ranges.sort()

    @property
    def functions(self) -> tuple[Function, ...]:
        """All functions, by ascending address."""
        return tuple(self._functions)

    def function_at(self, address: int) -> Function | None:
        """Return the function whose body holds `address`."""
        index = bisect_right(self._addresses, address) - 1
        if index < 0:
            return None
        function = self._functions[index]
        # Assembler functions often carry no size: they reach to the next symbol.
        if function.size and address >= function.address + function.size:
            return None
        return function

    def describe(self, address: int) -> str:
        """Return `function+0x12 (0x08001234)` for messages."""
        function = self.function_at(address)
        if function is None:
            return f"0x{address:08x}"
        return f"{function.name}+0x{address - function.address:x} (0x{address:08x})"

    def find(self, name: str) -> Function:
        """Return the function of that symbol, symbol prefix, qualified name, or last name.

        A prefix is mangled (`_ZN7agilenn7network4stemE`): parameter types may be left out.

        Raises `AgilennError` (exit code 6) if there is none or if the name is ambiguous.
        """
        for matches in (
            [f for f in self._functions if f.symbol == name],
            [f for f in self._functions if name.startswith("_Z") and f.symbol.startswith(name)],
            [f for f in self._functions if f.name == name],
            [f for f in self._functions if f.name.rsplit("::", 1)[-1] == name],
        ):
            if len(matches) == 1:
                return matches[0]
            if matches:
                raise EmulationError(
                    "ambiguous-symbol",
                    f"{self.path.name} has {len(matches)} functions named '{name}': "
                    + ", ".join(f.symbol for f in matches),
                    "give the linker's name of the one that is meant",
                )
        near = nearest(name, [f.name for f in self._functions])
        raise EmulationError(
            "no-such-function",
            f"{self.path.name} has no function '{name}'"
            + (f"; the nearest name is '{near}'" if near else ""),
            "a function that is inlined or discarded by the linker cannot be watched: "
            "mark it [[gnu::noinline]] and build without link-time optimisation",
        )

    def halfwords(self) -> Iterator[tuple[int, int, int]]:
        """Yield (address, first halfword, second or 0) of each Thumb instruction in the code.

        The mapping symbols ($t, $d) of the ELF tell instructions from literal pools.
        """
        for start, end in self._code_ranges:
            data = self._load_view(start, end)
            if data is None:
                continue
            offset = 0
            while offset + 2 <= len(data):
                first = data[offset] | data[offset + 1] << 8
                wide = first >= 0xE800
                second = (
                    data[offset + 2] | data[offset + 3] << 8
                    if wide and offset + 4 <= len(data)
                    else 0
                )
                yield start + offset, first, second
                offset += 4 if wide else 2

    def _load_view(self, start: int, end: int) -> bytes | None:
        for segment in self._virtual_segments():
            if segment.address <= start and end <= segment.address + len(segment.data):
                return segment.data[start - segment.address : end - segment.address]
        return None

    def _virtual_segments(self) -> Iterator[Segment]:
        """Yield segments at their run addresses (code that is copied to ITCM runs elsewhere)."""
        with self.path.open("rb") as stream:
            for segment in ELFFile(stream).iter_segments():
                if segment["p_type"] == "PT_LOAD" and segment["p_filesz"]:
                    yield Segment(segment["p_vaddr"], segment.data())


def is_double_precision(first: int, second: int) -> bool:
    """Tell whether a 32-bit Thumb instruction computes in double precision.

    ARMv7-M ARM (DDI 0403E) section A6.4: VFP data processing with coprocessor 11, and VCVT.F64.F32,
    which is encoded in coprocessor 10. Loads, stores and moves of D registers are no arithmetic and
    exist on single-precision parts.
    """
    if first & 0xEF00 != 0xEE00 or second & 0x0010:
        return False
    coprocessor = second >> 8 & 0xF
    if coprocessor == 0xB:
        return True
    return first & 0xFFBF == 0xEEB7 and second & 0x0FD0 == 0x0AC0


def double_precision_instructions(image: FirmwareImage) -> list[int]:
    """Return the addresses of all double-precision instructions of an image."""
    return [
        address
        for address, first, second in image.halfwords()
        if is_double_precision(first, second)
    ]


def _not_an_image(path: Path, reason: str) -> AgilennError:
    return AgilennError.of(
        ExitCode.EXTERNAL,
        "emulator.not-an-image",
        f"cannot load {path}: {reason}",
        hint="compile the emitted project first; the emulator needs the unstripped .elf file",
    )
