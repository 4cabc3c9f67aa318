"""The stack's bound: programs whose frames are known by hand, and the emulator's deepest use."""

import shutil
import subprocess
from pathlib import Path

import pytest

from agilenn_cc.emulator import EmulatedBoard
from agilenn_cc.errors import AgilennError, ExitCode
from agilenn_cc.targets import load_target
from agilenn_cc.verify.indirect_calls import indirect_calls
from agilenn_cc.verify.stack_bound import check_reserve, load_bound, stack_bound, write_bound

TARGET = load_target("stm32f746")
USART1 = 37  # position in RM0385's vector table; the console's on this board
FRAME = 32 + 4  # r0-r3, r12, lr, pc, xPSR, and a word to align them
FPU_FRAME = 32 + 4 * 18 + 4  # s0-s15, FPSCR and a gap besides

SCRIPT = """
MEMORY { FLASH (rx) : ORIGIN = 0x08000000, LENGTH = 64K
         DTCM (rw) : ORIGIN = 0x20000000, LENGTH = 64K }
ENTRY(Reset_Handler)
_stack_limit = 0x20000000;
_estack = 0x20000800;
SECTIONS {
  .isr_vector : { _vectors = .; KEEP(*(.isr_vector)) } > FLASH
  .text : { *(.text .text.* .rodata .rodata.*) } > FLASH
  .bss 0x20000800 (NOLOAD) : { *(.bss .bss.* COMMON) } > DTCM
}
"""

START_UP = """
typedef void (*Handler)(void);
extern unsigned _estack[];
void Reset_Handler(void);
__attribute__((used)) void Default_Handler(void) { for (;;) {} }
#define HANDLER __attribute__((weak, alias("Default_Handler"))) void
HANDLER SysTick_Handler(void);
HANDLER console(void);
HANDLER dma_rx(void);
HANDLER dma_tx(void);
__attribute__((section(".isr_vector"), used)) const Handler agilenn_vectors[16 + 98] = {
    (Handler)_estack, Reset_Handler, Default_Handler, Default_Handler,
    [15] = SysTick_Handler, [16 + 37] = console, [16 + 57] = dma_rx, [16 + 69] = dma_tx,
};
"""

COMMON = """
typedef void (*Handler)(void);
#define ASM __attribute__((naked, used)) void
#define NOINLINE __attribute__((noinline, used))
ASM leaf(void) { __asm__("push {r4-r7, lr}\\n sub sp, #100\\n add sp, #100\\n pop {r4-r7, pc}"); }
"""

PLAIN = 'ASM Reset_Handler(void) { __asm__("bl leaf\\n 1: b 1b"); }'
LEAF = 5 * 4 + 100


@pytest.fixture
def build(tmp_path):
    if shutil.which("arm-none-eabi-gcc") is None:
        pytest.skip("arm-none-eabi-gcc is not installed")

    def build_program(text: str, *options: str) -> Path:
        (tmp_path / "program.c").write_text(COMMON + text)
        (tmp_path / "start_up.c").write_text(START_UP)
        (tmp_path / "script.ld").write_text(SCRIPT)
        subprocess.run(
            [
                *("arm-none-eabi-gcc", "-mcpu=cortex-m7", "-mthumb", "-O2", "-fcallgraph-info=su"),
                *("-mfpu=fpv5-sp-d16", "-mfloat-abi=hard", "-ffreestanding", "-nostdlib"),
                *options,
                *("-T", "script.ld", "start_up.c", "program.c", "-o", "program.elf"),
            ],
            cwd=tmp_path,
            check=True,
        )
        return tmp_path / "program.elf"

    return build_program


def bound_of(elf, *rules):
    return stack_bound(elf, elf.parent, TARGET, rules)


def test_frames_add_up_along_the_deepest_chain(build):
    elf = build("""
        ASM middle(void) { __asm__("push {r3, lr}\\n bl leaf\\n pop {r3, pc}"); }
        ASM shallow(void) { __asm__("push {r4-r9, lr}\\n sub sp, #4\\n add sp, #4\\n"
                                    "pop {r4-r9, pc}"); }
        ASM Reset_Handler(void) { __asm__("bl shallow\\n bl middle\\n 1: b 1b"); }
    """)
    bound = bound_of(elf)
    assert bound.bytes == 8 + LEAF + FRAME  # and the fault at the worst moment
    assert [(step.function, step.bytes) for step in bound.chain] == [
        ("Reset_Handler", 0), ("middle", 8), ("leaf", LEAF),
    ]  # fmt: skip
    assert bound.reserved == 2048


def test_a_tail_call_comes_when_the_frame_is_gone(build):
    elf = build("""
        ASM tail(void) { __asm__("push {r3-r8, lr}\\n sub sp, #20\\n add sp, #20\\n"
                                 "pop {r3-r8, lr}\\n b.w leaf"); }
        ASM Reset_Handler(void) { __asm__("bl tail\\n 1: b 1b"); }
    """)
    assert bound_of(elf).bytes == LEAF + FRAME


def test_interrupts_nest_by_their_priorities(build):
    elf = build(
        PLAIN
        + """
        ASM dma_rx(void) { __asm__("push {r4-r7, lr}\\n sub sp, #20\\n add sp, #20\\n"
                                   "pop {r4-r7, pc}"); }
        ASM dma_tx(void) { __asm__("push {r4, lr}\\n pop {r4, pc}"); }
        ASM console(void) { __asm__("push {r4, lr}\\n bl leaf\\n pop {r4, pc}"); }
        ASM SysTick_Handler(void) { __asm__("push {r4-r6, lr}\\n pop {r4-r6, pc}"); }
    """
    )
    bound = bound_of(elf)
    # The two of the DMA have one priority: only the deeper of them counts.
    levels = {level.name: level.bytes for level in bound.levels}
    assert levels == {
        "faults": FRAME,
        "priority 0": FRAME + 16,
        "priority 4": FRAME + 40,
        "priority 12": FRAME + 8 + LEAF,
    }
    assert bound.bytes == LEAF + sum(levels.values())


def test_a_handler_of_unknown_priority_may_interrupt_all_others(build):
    elf = build(PLAIN + 'ASM console(void) { __asm__("push {r4, lr}\\n pop {r4, pc}"); }')
    known = bound_of(elf).bytes
    other = load_target("nucleo-f746zg")  # its console has another interrupt
    assert USART1 not in other.interrupt_priorities
    levels = stack_bound(elf, elf.parent, other, ()).levels
    assert "console" in {level.name for level in levels}
    assert stack_bound(elf, elf.parent, other, ()).bytes == known


def test_floating_point_makes_the_exception_frame_larger(build):
    elf = build("""
        volatile float value;
        NOINLINE void Reset_Handler(void) { for (;;) value = value * 3.0f; }
    """)
    assert bound_of(elf).bytes == FPU_FRAME


@pytest.mark.parametrize(
    ("program", "complaint"),
    [
        (
            """
            NOINLINE int down(volatile int* n) { return *n ? down(n) + *n : 0; }
            volatile int depth;
            NOINLINE void Reset_Handler(void) { for (;;) depth = down(&depth); }
            """,
            "functions call themselves: down > down",
        ),
        (
            """
            volatile int length;
            NOINLINE void use(volatile char* data) { *data = 1; }
            NOINLINE void Reset_Handler(void) { for (;;) { volatile char a[length]; use(a); } }
            """,
            "the stack of Reset_Handler grows with a value at run time",
        ),
        (
            """
            Handler volatile pointer;
            NOINLINE void Reset_Handler(void) { for (;;) pointer(); }
            """,
            "Reset_Handler calls through a pointer, and nothing says what",
        ),
        (
            """
            Handler const table[] = {leaf};
            NOINLINE void Reset_Handler(void) { __asm__ volatile("" ::"r"(table)); for (;;) {} }
            """,
            "the address of leaf is taken, and nothing says who calls it",
        ),
    ],
)
def test_what_has_no_bound_is_said(build, program, complaint):
    options = ("-fno-optimize-sibling-calls", "-fno-tree-tail-merge")
    with pytest.raises(AgilennError) as raised:
        bound_of(build(program, *options))
    assert raised.value.exit_code == ExitCode.UNSUPPORTED
    assert complaint in str(raised.value)


def test_numbers_of_a_network_are_no_addresses(build):
    elf = build("""
        Handler const table[] __asm__("_ZN7agilenn7network5first10kBiasTableE") = {leaf};
        NOINLINE void Reset_Handler(void) { __asm__ volatile("" ::"r"(table)); for (;;) {} }
    """)
    assert bound_of(elf).bytes == FRAME


def test_declared_pointers_are_followed(build):
    elf = build("""
        Handler const table[] = {leaf};
        Handler volatile pointer;
        NOINLINE void Reset_Handler(void) { for (;;) { pointer = table[0]; pointer(); } }
    """)
    bound = bound_of(elf, indirect_calls("Reset_Handler$", "leaf$"))
    assert bound.bytes == bound.chain[0].bytes + LEAF + FRAME


def test_a_reserve_too_small_names_the_chain(build):
    elf = build("""
        NOINLINE void fill(volatile char* data) { data[0] = 1; }
        NOINLINE void Reset_Handler(void) { for (;;) { volatile char large[4000]; fill(large); } }
    """)
    with pytest.raises(AgilennError) as raised:
        check_reserve(bound_of(elf))
    assert raised.value.exit_code == ExitCode.BUDGET
    assert "Reset_Handler 40" in str(raised.value)
    assert "2,048 reserved" in str(raised.value)


def test_a_bound_is_kept_beside_its_elf(build):
    elf = build(PLAIN)
    assert load_bound(elf) is None
    bound = bound_of(elf)
    write_bound(bound, elf)
    assert load_bound(elf) == bound


def test_the_emulator_reaches_but_does_not_pass_the_bound(build):
    # SysTick strikes inside the deepest function; nothing else is enabled.
    elf = build("""
        #define REG(a) (*(volatile unsigned*)(a))
        volatile unsigned ticks;
        NOINLINE void SysTick_Handler(void) { volatile char local[24]; local[ticks++ % 24] = 0; }
        NOINLINE void wait(void) { volatile char local[200]; while (ticks < 3) local[ticks] = 1; }
        NOINLINE void Reset_Handler(void) {
            ticks = 0; REG(0xE000E014) = 1000; REG(0xE000E018) = 0; REG(0xE000E010) = 7;
            wait();
            for (;;) __asm__ volatile("cpsid i\\n wfi");
        }
    """)
    bound = bound_of(elf)
    board = EmulatedBoard(elf, TARGET, None)
    board.run(seconds=0.002)
    fault = next(level.bytes for level in bound.levels if level.name == "faults")
    assert bound.bytes - fault - 8 <= board.stack_bytes <= bound.bytes - fault
