"""Functions whose address is taken, found in objects that the Arm compiler makes."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from agilenn_cc.verify.relocations import functions_with_address_taken

SOURCE = """
void outside(void);
static void called(void) { outside(); }
static void in_data(void) { outside(); outside(); }
void in_code(void) { outside(); }
void (*const table[1])(void) = {in_data};
extern void (*volatile callback)(void);
int number = 0x121;
void start(void) { called(); outside(); callback = in_code; }
"""


@pytest.mark.skipif(not shutil.which("arm-none-eabi-gcc"), reason="needs the Arm compiler")
@pytest.mark.parametrize("addresses", ["literals", "halves"])
def test_only_taken_addresses_are_found(tmp_path: Path, addresses: str) -> None:
    source = tmp_path / "one.c"
    source.write_text(SOURCE)
    halves = ["-mslow-flash-data"] if addresses == "halves" else []  # movw, movt
    subprocess.run(
        ["arm-none-eabi-gcc", "-mcpu=cortex-m7", "-mthumb", "-O1", "-g", "-fno-inline",
         "-ffunction-sections", *halves, "-c", str(source), "-o", str(tmp_path / "one.o")],
        check=True,
    )  # fmt: skip
    assert functions_with_address_taken(tmp_path) - {"callback", "table"} == {"in_data", "in_code"}
