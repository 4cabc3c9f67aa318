"""Translation blocks: how many instructions they hold and how far they move the stack."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass
class Block:
    """A block at one address: `runs` counts its executions.

    `stack_bytes` is how far it lowers SP; `check` holds calls to make before it runs, or None.
    """

    size: int
    instructions: int
    stack_bytes: int
    runs: int = 0
    check: Callable[[], None] | None = None


def decode_block(code: bytes) -> tuple[int, int]:
    """Return (instructions, bytes by which they lower SP) of Thumb-2 code.

    A 32-bit instruction starts with a halfword of 0xE800 or more (ARMv7-M ARM, section A5.1).
    """
    offset = instructions = stack = 0
    while offset < len(code):
        first = code[offset] | code[offset + 1] << 8
        wide = first >= 0xE800
        if wide and offset + 4 <= len(code):
            stack += _wide_stack_bytes(first, code[offset + 2] | code[offset + 3] << 8)
        elif not wide:
            stack += _narrow_stack_bytes(first)
        offset += 4 if wide else 2
        instructions += 1
    return instructions, stack


def uses_fpu(code: bytes) -> bool:
    """Tell whether Thumb-2 code holds an instruction of coprocessor 10 or 11."""
    offset = 0
    while offset + 4 <= len(code):
        first = code[offset] | code[offset + 1] << 8
        if first >= 0xE800:
            if first & 0xEC00 == 0xEC00 and code[offset + 3] & 0xE == 0xA:
                return True
            offset += 2
        offset += 2
    return False


def _narrow_stack_bytes(opcode: int) -> int:
    if opcode & 0xFE00 == 0xB400:  # PUSH
        return 4 * (opcode & 0x1FF).bit_count()
    if opcode & 0xFF80 == 0xB080:  # SUB SP, #imm7 * 4
        return 4 * (opcode & 0x7F)
    return 0


def _wide_stack_bytes(first: int, second: int) -> int:
    if first == 0xE92D:  # STMDB SP!
        return 4 * second.bit_count()
    if first & 0xFFBF == 0xED2D and second & 0x0E00 == 0x0A00:  # VPUSH
        return 4 * (second & 0xFF)
    if first & 0xFBEF == 0xF1AD and second & 0x8F00 == 0x0D00:  # SUB.W SP, SP, #modified constant
        return _modified_constant((first >> 10 & 1) << 11 | (second >> 12 & 7) << 8 | second & 0xFF)
    if first & 0xFBFF == 0xF2AD and second & 0x8F00 == 0x0D00:  # SUBW SP, SP, #imm12
        return (first >> 10 & 1) << 11 | (second >> 12 & 7) << 8 | second & 0xFF
    if first == 0xF84D and second & 0x0FFF == 0x0D04:  # STR Rt, [SP, #-4]!
        return 4
    if first == 0xE96D:  # STRD Rt, Rt2, [SP, #-imm8 * 4]!
        return 4 * (second & 0xFF)
    return 0


def _modified_constant(imm12: int) -> int:
    """ThumbExpandImm (ARMv7-M ARM, section A5.3.2)."""
    byte = imm12 & 0xFF
    kind = imm12 >> 8
    if kind < 4:
        return (byte, byte << 16 | byte, byte << 24 | byte << 8, byte * 0x01010101)[kind]
    rotation = imm12 >> 7
    value = 0x80 | imm12 & 0x7F
    return (value >> rotation | value << 32 - rotation) & 0xFFFFFFFF
