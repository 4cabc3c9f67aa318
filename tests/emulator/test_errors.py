"""What a board cannot do ends the run and names the function."""

import pytest

from agilenn_cc.emulator import EmulatedBoard, EmulationError
from agilenn_cc.errors import AgilennError, ExitCode


@pytest.mark.parametrize(
    ("case", "code", "words"),
    [
        ("unmapped", "unmapped-access", "0x60000000"),
        ("unmapped_write", "unmapped-access", "0x20050000"),
        ("peripheral", "unmapped-access", "0x40012000"),
        ("register", "unknown-register", "RCC"),
        ("clock_off", "clock-disabled", "USART6"),
        ("flash", "flash-write", "0x08000100"),
        ("double", "double-precision", "single precision"),
        ("stack", "stack-overflow", "limit"),
        ("data", "execute-never", "0x200"),
        ("undefined", "undefined-instruction", "undefined"),
        ("fpu", "fpu-disabled", "CPACR"),
        ("runaway", "runaway", "2000000 instructions"),
        ("sleep", "sleeps-forever", "WFI"),
        ("reset", "system-reset", "SYSRESETREQ"),
        ("clock", "clock", "216 MHz"),
        ("bkpt", "breakpoint", "BKPT"),
    ],
)
def test_error_names_function_and_cause(build, target, case, code, words):
    options = [f"-DFAIL_{case}"]
    if case == "double":
        options += ["-mfpu=fpv5-d16"]
    elf = build("errors", *options)
    with pytest.raises(EmulationError) as caught:
        EmulatedBoard(elf, target).run(max_instructions=2_000_000)
    error = caught.value
    assert error.code == f"emulator.{code}"
    assert error.exit_code == ExitCode.MISMATCH
    text = str(error) + str(error.diagnostics[0].hint)
    assert words in text
    if case != "data":  # the offender has jumped away
        assert "offender" in text


def test_missing_and_foreign_files(tmp_path, target):
    foreign = tmp_path / "x.elf"
    foreign.write_bytes(b"not an ELF file, not even close")
    for path in (tmp_path / "none.elf", foreign):
        with pytest.raises(AgilennError) as caught:
            EmulatedBoard(path, target)
        assert caught.value.exit_code == ExitCode.EXTERNAL


def test_unknown_function_proposes_the_nearest(build, target):
    board = EmulatedBoard(build("hello"), target)
    with pytest.raises(EmulationError, match="SysTick_Handler"):
        board.watch_call("SysTik_Handler")
