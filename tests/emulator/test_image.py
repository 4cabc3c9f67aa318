"""Symbols, instruction decoding and the double-precision scan, against binutils."""

import re
import shutil
import subprocess

import pytest

from agilenn_cc.emulator.blocks import decode_block, uses_fpu
from agilenn_cc.emulator.firmware_image import (
    FirmwareImage,
    double_precision_instructions,
    is_double_precision,
    readable_name,
)

_LINE = re.compile(r"^\s*([0-9a-f]+):\t((?:[0-9a-f]{4} ?)+)\s*\t(\S+)\s*(.*)")


def assemble(tmp_path, text, fpu="fpv5-d16"):
    """Return the code bytes of assembler text, as the GNU assembler encodes it."""
    assembler = shutil.which("arm-none-eabi-as")
    if assembler is None:
        pytest.skip("arm-none-eabi-as is not installed")
    source, object_file, binary = (tmp_path / f"x.{suffix}" for suffix in ("s", "o", "bin"))
    source.write_text(f".syntax unified\n.thumb\n{text}\n")
    subprocess.run(
        [assembler, "-mcpu=cortex-m7", f"-mfpu={fpu}", str(source), "-o", str(object_file)],
        check=True,
    )
    subprocess.run(
        ["arm-none-eabi-objcopy", "-O", "binary", str(object_file), str(binary)], check=True
    )
    return binary.read_bytes()


@pytest.mark.parametrize(
    ("symbol", "name"),
    [
        ("main", "main"),
        ("_Z13capture_framePh", "capture_frame"),
        ("_ZN7agilenn7network8push_rowEPKh", "agilenn::network::push_row"),
        ("_ZNK7agilenn6Engine5aloneEv", "agilenn::Engine::alone"),
        ("_ZN7agilenn12_GLOBAL__N_14stepEv", "agilenn::(anonymous namespace)::step"),
        ("_ZN7agilenn4stepEv.constprop.0", "agilenn::step"),
        ("_ZL6helperi", "helper"),
    ],
)
def test_readable_names(symbol, name):
    assert readable_name(symbol) == name


@pytest.mark.parametrize(
    ("text", "stack"),
    [
        ("push {r4}", 4),
        ("push {r0-r7, lr}", 36),
        ("push.w {r4-r11, lr}", 36),
        ("vpush {d8-d15}", 64),
        ("vpush {s16}", 4),
        ("sub sp, #508", 508),
        ("sub.w sp, sp, #4096", 4096),
        ("sub.w sp, sp, #1020", 1020),
        ("sub.w sp, sp, #0x8400", 0x8400),
        ("subw sp, sp, #4093", 4093),
        ("str r4, [sp, #-4]!", 4),
        ("strd r4, r5, [sp, #-16]!", 16),
        ("push {r4, lr}\nsub sp, #16\nmov r0, r1", 24),
        ("add sp, #16", 0),
        ("pop {r4, pc}", 0),
        ("sub r0, r1, #4", 0),
    ],
)
def test_stack_growth_of_blocks(tmp_path, text, stack):
    code = assemble(tmp_path, text)
    assert decode_block(code) == (text.count("\n") + 1, stack)


@pytest.mark.parametrize(
    "text",
    [
        *("vadd.f64 d0, d1, d2", "vmul.f64 d0, d1, d2", "vfma.f64 d3, d4, d5"),
        *("vcmp.f64 d0, #0", "vcvt.f64.f32 d0, s1", "vcvt.f32.f64 s0, d1"),
        *("vcvt.s32.f64 s0, d1", "vcvt.f64.u32 d0, s1", "vsqrt.f64 d0, d1"),
        *("vselge.f64 d0, d1, d2", "vmaxnm.f64 d0, d1, d2", "vrinta.f64 d0, d1"),
        *("vabs.f64 d0, d1", "vmov.f64 d0, #1.0"),
    ],
)
def test_double_precision_is_recognised(tmp_path, text):
    code = assemble(tmp_path, text)
    first, second = (int.from_bytes(code[i : i + 2], "little") for i in (0, 2))
    assert is_double_precision(first, second)
    assert uses_fpu(code)


@pytest.mark.parametrize(
    "text",
    [
        *("vadd.f32 s0, s1, s2", "vcvt.f32.s32 s0, s1", "vcvtb.f32.f16 s0, s1"),
        *("vldr d0, [r0]", "vstr d8, [sp]", "vpush {d8}", "vmov d0, r0, r1"),
        *("vmov r0, r1, d5", "vmov s0, r0", "vmrs apsr_nzcv, fpscr", "vselge.f32 s0, s1, s2"),
    ],
)
def test_single_precision_and_moves_pass(tmp_path, text):
    code = assemble(tmp_path, text)
    first, second = (int.from_bytes(code[i : i + 2], "little") for i in (0, 2))
    assert not is_double_precision(first, second)
    assert uses_fpu(code)


def test_instructions_and_functions_as_objdump_lists_them(build):
    elf = build("errors", "-DFAIL_double", "-mfpu=fpv5-d16")
    listing = subprocess.run(
        ["arm-none-eabi-objdump", "-d", str(elf)], check=True, capture_output=True, text=True
    ).stdout
    expected, doubles = {}, []
    for line in listing.splitlines():
        match = _LINE.match(line)
        if match and not match.group(3).startswith("."):
            address = int(match.group(1), 16)
            expected[address] = len(match.group(2).replace(" ", "")) // 2
            if ".f64" in match.group(3):
                doubles.append(address)
    image = FirmwareImage(elf)
    found = {address: 4 if first >= 0xE800 else 2 for address, first, _ in image.halfwords()}
    assert found == expected
    assert doubles
    assert double_precision_instructions(image) == doubles
    offender = image.find("offender")
    assert image.function_at(doubles[0]) == offender
    assert image.describe(offender.address + 2) == f"offender+0x2 (0x{offender.address + 2:08x})"
