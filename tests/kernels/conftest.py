"""Cross-compiles programs, runs frames on an emulated core: tensors, instructions a function."""

import shutil
import subprocess
from dataclasses import dataclass

import numpy as np
import pytest
from elftools.elf.elffile import ELFFile
from unicorn import UC_ARCH_ARM, UC_HOOK_BLOCK, UC_MODE_MCLASS, UC_MODE_THUMB, Uc, arm_const

CORES = {
    "cortex-m7": ("-mcpu=cortex-m7", "-mfpu=fpv5-sp-d16", "-mfloat-abi=hard"),
    "cortex-m4": ("-mcpu=cortex-m4", "-mfpu=fpv4-sp-d16", "-mfloat-abi=hard"),
    "cortex-m33": ("-mcpu=cortex-m33", "-mfpu=fpv5-sp-d16", "-mfloat-abi=hard"),
    "cortex-m3": ("-mcpu=cortex-m3", "-mfloat-abi=soft"),
    "cortex-m0plus": ("-mcpu=cortex-m0plus", "-mfloat-abi=soft"),
}
FLAGS = ("-std=gnu++17", "-fno-exceptions", "-fno-rtti", "-Wall", "-Wextra", "-Werror", "-mthumb")
RUNNER = """\
#include "Generated/network.hpp"
using namespace agilenn::network;
extern "C" {
uint8_t frame[kInputRows * kInputRowBytes];
uint8_t symbols[kSymbolCount + 1];
uint32_t symbol_count;
[[gnu::noinline]] void keep(void*, const uint8_t* row, uint16_t count) {
    for (uint16_t i = 0; i < count; ++i) symbols[symbol_count++] = row[i];
}
void run_frame() {
    symbol_count = 0;
    begin_frame();
    for (int row = 0; row < kInputRows; ++row) {
        push_row(frame + row * kInputRowBytes, keep, nullptr);
    }
}
const int8_t* logits() { return local_logits(); }
}
"""
SCRIPT = """\
SECTIONS {
    . = 0x08000000; .text : { *(.text*) *(.rodata*) }
    . = 0x20000000; .data : { *(.data*) } .bss : { *(.bss*) *(COMMON) }
    /DISCARD/ : { *(.ARM.*) }
}
"""


@dataclass(frozen=True)
class Frame:
    """What one frame yielded: logits, symbols as the sink got them, instructions a function.

    tensors holds what the taps saw, int16 [rows, columns, channels].
    """

    logits: np.ndarray
    symbols: np.ndarray
    instructions: dict[str, int]
    tensors: dict[str, np.ndarray]

    @property
    def network_instructions(self) -> int:
        return sum(n for name, n in self.instructions.items() if name.startswith("_ZN7agilenn"))


def compile_elf(program, folder, core, optimisation):
    if shutil.which("arm-none-eabi-g++") is None:
        pytest.skip("arm-none-eabi-g++ is not installed")
    for path, content in program.files.items():
        (folder / path).parent.mkdir(exist_ok=True)
        (folder / path).write_bytes(content)
    (folder / "runner.cpp").write_text(RUNNER)
    (folder / "runner.ld").write_text(SCRIPT)
    sources = ("runner.cpp", "Generated/network.cpp", "Generated/layers.cpp")
    # Nothing of a C++ library is needed: gcc's own helpers and memcpy-like functions do.
    link = ("-nostdlib", "-T", "runner.ld", "-Wl,-e,run_frame", "-o", "runner.elf")
    finished = subprocess.run(
        ["arm-none-eabi-g++", optimisation, *FLAGS, *CORES[core], *sources, *link, "-lc", "-lgcc"],
        cwd=folder,
        capture_output=True,
        text=True,
    )
    assert finished.returncode == 0, finished.stderr
    return folder / "runner.elf"


@pytest.fixture
def build(tmp_path):
    return lambda program, core="cortex-m7", optimisation="-O3": compile_elf(
        program, tmp_path, core, optimisation
    )


class TapReader:
    """Reads the rows that watched functions have written, each time one returns."""

    def __init__(self, machine, program, functions):
        self._machine = machine
        self._watched = {}
        for tap in sorted(program.taps, key=lambda tap: tap.pointer_argument):
            (entry,) = (at for at, name in functions.items() if name.startswith(tap.symbol))
            self._watched.setdefault(entry, []).append(tap)
        self._open = []
        self._rows = {}

    def at_block(self, address):
        register = self._machine.reg_read
        while self._open and self._open[-1][:2] == (address, register(arm_const.UC_ARM_REG_SP)):
            for tap, pointer in self._open.pop()[2]:
                self._rows.setdefault(tap.tensor, []).append(self._row(tap, pointer))
        taps = self._watched.get(address)
        if taps is None:
            return
        back, stack = register(arm_const.UC_ARM_REG_LR) & ~1, register(arm_const.UC_ARM_REG_SP)
        if self._open and self._open[-1][:2] == (back, stack):
            return  # a loop back to the first instruction is no call
        pointers = [(tap, self._argument(tap.pointer_argument, stack)) for tap in taps]
        self._open.append((back, stack, pointers))

    def _argument(self, index, stack):
        if index < 4:
            return self._machine.reg_read(arm_const.UC_ARM_REG_R0 + index)
        return int.from_bytes(self._machine.mem_read(stack + 4 * (index - 4), 4), "little")

    def _row(self, tap, pointer):
        kind = np.dtype(tap.storage.element)
        offsets = np.asarray(tap.storage.offsets).reshape(tap.row_shape)
        low, high = int(offsets.min()), int(offsets.max())
        size = (high - low + 1) * kind.itemsize
        data = bytes(self._machine.mem_read(pointer + low * kind.itemsize, size))
        return np.frombuffer(data, kind)[offsets - low].astype(np.int16) + tap.storage.zero

    def take(self):
        assert not self._open
        rows, self._rows = self._rows, {}
        return {tensor: np.stack(parts) for tensor, parts in rows.items()}


@pytest.fixture
def run_frames(build):
    cpus = {
        "cortex-m7": arm_const.UC_CPU_ARM_CORTEX_M7,
        "cortex-m4": arm_const.UC_CPU_ARM_CORTEX_M4,
        "cortex-m33": arm_const.UC_CPU_ARM_CORTEX_M33,
        "cortex-m3": arm_const.UC_CPU_ARM_CORTEX_M3,
        "cortex-m0plus": arm_const.UC_CPU_ARM_CORTEX_M0,
    }

    def run(program, images, core="cortex-m7", optimisation="-O3"):
        with build(program, core, optimisation).open("rb") as file:
            elf = ELFFile(file)
            segments = [(s["p_vaddr"], s.data()) for s in elf.iter_segments() if s["p_filesz"]]
            symbols = list(elf.get_section_by_name(".symtab").iter_symbols())
        addresses = {s.name: s["st_value"] for s in symbols}
        functions = {
            s["st_value"] & ~1: s.name for s in symbols if s["st_info"]["type"] == "STT_FUNC"
        }
        machine = Uc(UC_ARCH_ARM, UC_MODE_THUMB | UC_MODE_MCLASS)
        machine.ctl_set_cpu_model(cpus[core])
        machine.mem_map(0x08000000, 1 << 20)
        machine.mem_map(0x20000000, 1 << 20)
        for address, data in segments:
            machine.mem_write(address, data)
        starts = np.array(sorted(functions))
        known, counts = {}, {}
        reader = TapReader(machine, program, functions)

        def count(_machine, address, size, _data):
            if (address, size) not in known:
                code = bytes(machine.mem_read(address, size))
                position = instructions = 0
                while position < size:  # 0xE8 and above begins a 32-bit Thumb instruction
                    position += 4 if code[position + 1] >= 0xE8 else 2
                    instructions += 1
                owner = functions[starts[np.searchsorted(starts, address, side="right") - 1]]
                known[address, size] = instructions, owner
            instructions, owner = known[address, size]
            counts[owner] = counts.get(owner, 0) + instructions
            reader.at_block(address)

        def call(name):
            machine.reg_write(arm_const.UC_ARM_REG_SP, 0x200FF000)
            machine.reg_write(arm_const.UC_ARM_REG_LR, 0x080FFFF1)
            machine.emu_start(addresses[name] | 1, 0x080FFFF0)
            return machine.reg_read(arm_const.UC_ARM_REG_R0)

        def frame(image):
            counts.clear()
            machine.mem_write(addresses["frame"], image.tobytes())
            call("run_frame")
            instructions = dict(counts)
            logits = bytes(machine.mem_read(call("logits"), len(program.classes)))
            sent = bytes(machine.mem_read(addresses["symbols"], program.symbol_count))
            return Frame(
                np.frombuffer(logits, np.int8),
                np.frombuffer(sent, np.uint8),
                instructions,
                reader.take(),
            )

        machine.hook_add(UC_HOOK_BLOCK, count)
        return [frame(image) for image in images]

    return run


@pytest.fixture
def run_frame(run_frames):
    return lambda program, image, core="cortex-m7", optimisation="-O3": run_frames(
        program, image[None], core, optimisation
    )[0]
