"""Functions of a linked firmware as its machine code has them: calls, jumps, stack frames."""

from __future__ import annotations

import re
import struct
import subprocess
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from elftools.elf.constants import SH_FLAGS
from elftools.elf.elffile import ELFFile
from elftools.elf.sections import SymbolTableSection

from agilenn_cc.errors import AgilennError, ExitCode

WORD = 4
_NUMBERS = re.compile(
    r"_ZN7agilenn7network.*TableE$|_ZN7agilenn7kernels8cmsis_nn\d+k\w*DimsI|_ZN7samples7kImagesE$"
)
_LINE = re.compile(r"^\s*([0-9a-f]+):\t(\S+)(?:\t(.*))?$")
_LABEL = re.compile(r"^([0-9a-f]+) <.*>:$")
_PUSHED_WORD = re.compile(r"\[sp, #-(\d+)\]!")
_LITERAL = re.compile(r"@ \(?(?:0x)?([0-9a-f]+)")
_REGISTERS = {"sl": 10, "fp": 11, "ip": 12, "sp": 13, "lr": 14, "pc": 15}


@dataclass(frozen=True)
class MachineFunction:
    """One function; calls and jumps hold the addresses of the functions that are entered.

    `calls` return here, `jumps` (tail calls) do not, `indirect` counts calls through a pointer and
    `indirect_jumps` tail calls of that kind. `frame_bytes` sums all that the function pushes, which
    is exact for code without branches around a push, and an upper bound where there are; None if
    the stack pointer moves by a register. `uses_fpu`: it may make the core stack FPU registers.
    """

    name: str
    address: int
    calls: frozenset[int]
    jumps: frozenset[int]
    indirect: int
    indirect_jumps: int
    frame_bytes: int | None
    uses_fpu: bool


@dataclass(frozen=True)
class MachineCode:
    """All functions by address, their symbols' sizes by name, and the initialised memory."""

    functions: Mapping[int, MachineFunction]
    symbols: Mapping[str, tuple[int, int]]
    memory: tuple[tuple[int, bytes], ...]

    def word(self, address: int) -> int | None:
        """Return the little-endian word at an address of code or constants."""
        for start, data in self.memory:
            if start <= address <= start + len(data) - WORD:
                return int(struct.unpack_from("<I", data, address - start)[0])
        return None

    def words(self) -> Iterator[int]:
        """Yield every aligned word of code, constants and initial data that may be an address.

        Tables and sample images hold numbers, which may well be equal to an address in ITCM.
        """
        tables = {
            address
            for name, (start, size) in self.symbols.items()
            if _NUMBERS.match(name)
            for address in range(start - start % WORD, start + size, WORD)
        }
        for start, data in self.memory:
            offset = -start % WORD
            count = max(0, len(data) - offset) // WORD
            words = struct.unpack_from(f"<{count}I", data, offset)
            for position, word in enumerate(words):
                if start + offset + WORD * position not in tables:
                    yield word


def read_machine_code(elf: Path) -> MachineCode:
    """Disassemble an Arm ELF with objdump.

    Raises:
        AgilennError: exit code 7 if arm-none-eabi-objdump is missing or fails.
    """
    with elf.open("rb") as stream:
        file = ELFFile(stream)
        symbols, names = _symbols(file)
        memory = tuple(
            (int(section["sh_addr"]), section.data())
            for section in file.iter_sections()
            if section["sh_type"] != "SHT_NOBITS" and section["sh_flags"] & SH_FLAGS.SHF_ALLOC
        )
    bare = MachineCode({}, symbols, memory)
    bodies = dict(_bodies(_disassemble(elf)))
    starts = sorted(set(bodies) & set(names))
    functions = {start: _Reader(names[start], start, starts, bare) for start in starts}
    for start, body in bodies.items():
        # Labels inside a function, as hand-written assembly has them, belong to it.
        owner = functions.get(_owner(starts, start) or -1)
        for address, mnemonic, operands in body if owner else ():
            assert owner is not None
            owner.take(address, mnemonic, operands)
    found = {start: reader.finish() for start, reader in functions.items()}
    return MachineCode(found, symbols, memory)


def symbol_sizes(elf: Path) -> dict[str, int]:
    """Return the size in bytes of each function and object of an ELF that states it."""
    with elf.open("rb") as stream:
        symbols, _names = _symbols(ELFFile(stream))
    return {name: size for name, (_address, size) in symbols.items() if size}


def readable(names: Sequence[str]) -> list[str]:
    """Return symbols as C++ writes them, in their order."""
    result = subprocess.run(
        ("arm-none-eabi-c++filt",),
        input="\n".join(names),
        capture_output=True,
        text=True,
        check=True,
    )
    return result.stdout.splitlines()


def _symbols(file: ELFFile) -> tuple[dict[str, tuple[int, int]], dict[int, str]]:
    table = file.get_section_by_name(".symtab")
    assert isinstance(table, SymbolTableSection), "firmware is never stripped"
    symbols: dict[str, tuple[int, int]] = {}
    names: dict[int, str] = {}
    for symbol in table.iter_symbols():
        info, value = symbol["st_info"], int(symbol["st_value"])
        if info["type"] in ("STT_FUNC", "STT_OBJECT", "STT_NOTYPE"):
            symbols[symbol.name] = (value, int(symbol["st_size"]))
        # Aliases share an address: the strong name is the function's own.
        own = (value & ~1) not in names or info["bind"] != "STB_WEAK"
        if info["type"] == "STT_FUNC" and own:
            names[value & ~1] = symbol.name
    return symbols, names


def _disassemble(elf: Path) -> str:
    command = ("arm-none-eabi-objdump", "-d", "-z", "--no-show-raw-insn", str(elf))
    try:
        result = subprocess.run(command, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise AgilennError.of(
            ExitCode.EXTERNAL,
            "tool.failed",
            f"arm-none-eabi-objdump cannot read the firmware: {error}",
            hint="type: apt-get install --no-install-recommends binutils-arm-none-eabi",
        ) from error
    return result.stdout


def _bodies(listing: str) -> Iterator[tuple[int, list[tuple[int, str, str]]]]:
    """Yield (address of a label, its instructions as address, mnemonic, operands)."""
    body: list[tuple[int, str, str]] = []
    start: int | None = None
    for line in listing.splitlines():
        if label := _LABEL.match(line):
            if start is not None:
                yield start, body
            start, body = int(label[1], 16), []
        elif instruction := _LINE.match(line):
            address, mnemonic, operands = instruction.groups()
            body.append((int(address, 16), mnemonic, operands or ""))
    if start is not None:
        yield start, body


def _owner(starts: list[int], address: int) -> int | None:
    index = bisect_right(starts, address) - 1
    return starts[index] if index >= 0 else None


class _Reader:
    """Collects what the instructions of one function do."""

    def __init__(self, name: str, address: int, starts: list[int], code: MachineCode) -> None:
        self._name, self._address, self._starts, self._code = name, address, starts, code
        self._calls: set[int] = set()
        self._jumps: set[int] = set()
        self._indirect = self._indirect_jumps = self._frame = 0
        self._moves_by_register = self._uses_fpu = False

    def take(self, address: int, mnemonic: str, operands: str) -> None:
        """Take one instruction."""
        base = mnemonic.split(".")[0]
        self._uses_fpu = self._uses_fpu or base.startswith("v")
        if base in ("bl", "blx", "bx") or (base in ("mov", "ldr") and operands.startswith("pc")):
            self._transfer(base, operands)
        elif base.startswith(("b", "cb")) and (target := _target(operands)) is not None:
            self._jump(target)
        else:
            self._stack(base, operands)

    def _transfer(self, base: str, operands: str) -> None:
        target = _target(operands)
        if base in ("bl", "blx") and target is not None:
            self._calls.add(_owner(self._starts, target) or target)
        elif base == "blx":
            self._indirect += 1
        elif base == "bx" and operands.strip() != "lr":
            self._indirect_jumps += 1
        elif base == "ldr" and (literal := _LITERAL.search(operands)):
            # A linker's veneer: the word behind it is where it goes.
            word = self._code.word(int(literal[1], 16))
            if word is not None:
                self._jump(word & ~1)
        # Others are a switch's table (no function pointer is loaded into pc) or a return.

    def _jump(self, target: int) -> None:
        owner = _owner(self._starts, target) or target
        if owner != self._address:
            self._jumps.add(owner)

    def _stack(self, base: str, operands: str) -> None:
        if base in ("push", "vpush"):
            self._frame += _registers_bytes(operands)
        elif base in ("stmdb", "vstmdb") and operands.startswith("sp!"):
            self._frame += _registers_bytes(operands.partition(",")[2])
        elif base in ("str", "strd") and (pushed := _PUSHED_WORD.search(operands)):
            self._frame += int(pushed[1])
        elif base in ("sub", "subw") and operands.startswith("sp,"):
            immediate = operands.split("@")[0].rpartition("#")[2]
            if immediate.strip().isdigit():
                self._frame += int(immediate)
            else:
                self._moves_by_register = True

    def finish(self) -> MachineFunction:
        return MachineFunction(
            self._name,
            self._address,
            frozenset(self._calls),
            frozenset(self._jumps),
            self._indirect,
            self._indirect_jumps,
            None if self._moves_by_register else self._frame,
            self._uses_fpu,
        )


def _target(operands: str) -> int | None:
    """Return the address that a branch names last (`8000240 <main>`), None for a register."""
    found = re.search(r"\b([0-9a-f]{2,8}) <", operands)
    return int(found[1], 16) if found else None


def _registers_bytes(text: str) -> int:
    """Return the bytes of a register list such as `{r4-r6, lr}` or `{d8-d9}`."""
    count = 0
    for part in text.strip().strip("{}").split(","):
        first, _, last = part.strip().partition("-")
        count += (_number(last) - _number(first) + 1) if last else 1
    return count * (2 * WORD if "d" in text else WORD)


def _number(register: str) -> int:
    return _REGISTERS[register] if register in _REGISTERS else int(register[1:])
