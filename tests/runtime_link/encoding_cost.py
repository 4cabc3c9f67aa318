"""Compiles encoders for a Cortex-M7 and counts the instructions that an inference costs them."""

import shutil
import subprocess

import pytest

from agilenn_cc.emit.codec_tables import emit_codec_tables
from agilenn_cc.resources import templates_dir

RUNTIME = templates_dir() / "firmware" / "Runtime"
FLASH, RAM, FRAME, HALT = 0x08000000, 0x20000000, 0x20010000, 0x080FFFF0
ENCODERS = {
    "lzw": "LzwEncoder<8, 1400>",
    "context": "ContextEncoder<payload::CodecTables, 1400>",
}
PROGRAM = """\
#include "agilenn/context_encoder.hpp"
#include "agilenn/fragment_writer.hpp"
#include "agilenn/lzw_encoder.hpp"
#include "codec_tables.hpp"
using namespace agilenn;
using Tables = payload::CodecTables;
constexpr uint32_t kRowSymbols = Tables::kColumns * Tables::kChannels;
constexpr uint32_t kSymbols = Tables::kRows * kRowSymbols;
using Writer = FragmentWriter<%s, kSymbols, 10>;
Writer writer;
uint8_t buffer[Writer::kDatagramBytes];
extern "C" const uint32_t kWriterBytes = sizeof(Writer);
static uint8_t* sink(void*, uint8_t* datagram, uint16_t) { return datagram; }
extern "C" void encode(const uint8_t* symbols) {
    writer.begin(RequestId{1, 2, 3}, buffer, sink, nullptr);
    for (uint32_t row = 0; row < Tables::kRows; ++row) {
        Writer::push_symbols(&writer, symbols + row * kRowSymbols, kRowSymbols);
    }
    writer.finish();
}
"""
SCRIPT = """\
SECTIONS {
    . = 0x08000000; .text : { *(.text*) *(.rodata*) }
    . = 0x20000000; .data : { *(.data*) } .bss : { *(.bss*) *(COMMON) }
    /DISCARD/ : { *(.ARM.*) }
}
"""


class EncoderOnDevice:
    """One encoder with its fragment writer and CRC on an emulated core."""

    def __init__(self, folder, codec, tables):
        from elftools.elf.elffile import ELFFile
        from unicorn import UC_ARCH_ARM, UC_HOOK_BLOCK, UC_MODE_MCLASS, UC_MODE_THUMB, Uc, arm_const

        if shutil.which("arm-none-eabi-g++") is None:
            pytest.skip("arm-none-eabi-g++ is not installed")
        folder.mkdir()
        (folder / "codec_tables.hpp").write_bytes(emit_codec_tables(tables))
        (folder / "main.cpp").write_text(PROGRAM % ENCODERS[codec])
        (folder / "script.ld").write_text(SCRIPT)
        runtime = [RUNTIME / "agilenn" / name for name in ("crc32.cpp", "protocol.cpp")]
        flags = "-O3 -std=gnu++17 -ffreestanding -fno-exceptions -fno-rtti -Wall -Wextra -Werror"
        machine = "-mthumb -mcpu=cortex-m7 -mfpu=fpv5-sp-d16 -mfloat-abi=hard"
        link = "-nostdlib -T script.ld -Wl,-e,encode -o encode.elf"
        subprocess.run(
            [
                "arm-none-eabi-g++",
                *f"{flags} {machine} {link} -I. -I{RUNTIME} main.cpp".split(),
                *runtime,
                "-lc",
                "-lgcc",
            ],
            cwd=folder,
            check=True,
            timeout=120,
        )
        self._registers = arm_const
        self._machine = Uc(UC_ARCH_ARM, UC_MODE_THUMB | UC_MODE_MCLASS)
        self._machine.ctl_set_cpu_model(arm_const.UC_CPU_ARM_CORTEX_M7)
        self._machine.mem_map(FLASH, 1 << 20)
        self._machine.mem_map(RAM, 1 << 20)
        with (folder / "encode.elf").open("rb") as file:
            elf = ELFFile(file)
            for segment in elf.iter_segments():
                if segment["p_filesz"]:
                    self._machine.mem_write(segment["p_vaddr"], segment.data())
            names = {
                s.name: s["st_value"] for s in elf.get_section_by_name(".symtab").iter_symbols()
            }
        self._entry = names["encode"]
        self.ram_bytes = int.from_bytes(self._machine.mem_read(names["kWriterBytes"], 4), "little")
        self._buffer = names["buffer"]
        self._lengths = {}
        self._count = 0
        self._machine.hook_add(UC_HOOK_BLOCK, self._on_block)

    def instructions(self, symbols):
        """Encode one inference, uint8 in the order of the wire; return executed instructions."""
        self._count = 0
        self._machine.mem_write(FRAME, symbols.tobytes())
        self._machine.reg_write(self._registers.UC_ARM_REG_SP, RAM + 0xFF000)
        self._machine.reg_write(self._registers.UC_ARM_REG_LR, HALT | 1)
        self._machine.reg_write(self._registers.UC_ARM_REG_R0, FRAME)
        self._machine.emu_start(self._entry | 1, HALT)
        return self._count

    def last_datagram(self, size):
        """Return the first `size` bytes of the buffer, which holds the last datagram."""
        return bytes(self._machine.mem_read(self._buffer, size))

    def _on_block(self, machine, address, size, _data):
        if (address, size) not in self._lengths:
            code = bytes(machine.mem_read(address, size))
            position = length = 0
            while position < size:  # 0xE8 and above begins a 32-bit Thumb instruction
                position += 4 if code[position + 1] >= 0xE8 else 2
                length += 1
            self._lengths[address, size] = length
        self._count += self._lengths[address, size]
