"""Builds the small test programs under firmware/ with the cross compiler."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from agilenn_cc.targets import Target, load_target

SOURCES = Path(__file__).parent / "firmware"
FLAGS = [
    *("-mcpu=cortex-m7", "-mthumb", "-mfpu=fpv5-sp-d16", "-mfloat-abi=hard"),
    *("-std=gnu11", "-O2", "-g", "-Wall", "-Wextra", "-Werror", "-ffreestanding"),
    *("-fno-tree-loop-distribute-patterns", "-nostdlib"),
]

Build = Callable[..., Path]


@pytest.fixture(scope="session")
def build(tmp_path_factory: pytest.TempPathFactory) -> Build:
    """Compile `firmware/<name>.c` with extra compiler options to an ELF."""
    compiler = shutil.which("arm-none-eabi-gcc")
    if compiler is None:
        pytest.skip("arm-none-eabi-gcc is not installed")
    directory = tmp_path_factory.mktemp("firmware")
    built: dict[tuple[str, ...], Path] = {}

    def build_one(name: str, *options: str) -> Path:
        key = (name, *options)
        if key not in built:
            elf = directory / f"{name}-{len(built)}.elf"
            command = [compiler, *FLAGS, *options, "-T", str(SOURCES / "board.ld")]
            command += [str(SOURCES / "common.c"), str(SOURCES / f"{name}.c")]
            subprocess.run([*command, "-lgcc", "-o", str(elf)], check=True)
            built[key] = elf
        return built[key]

    return build_one


@pytest.fixture(scope="session")
def target() -> Target:
    """The board of the test programs: HSE 25 MHz, console USART1, link USART6."""
    return load_target("stm32f746g-disco")
