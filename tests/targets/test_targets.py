"""Board descriptions: what is built in, and what a contradiction in one leads to."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from agilenn_cc.errors import AgilennError, ExitCode
from agilenn_cc.resources import targets_dir
from agilenn_cc.targets import Target, list_targets, load_target


def test_alias_names_the_discovery_board() -> None:
    assert load_target("stm32f746").name == "stm32f746g-disco"
    assert [t.name for t in list_targets()] == ["nucleo-f746zg", "stm32f746g-disco"]


def test_unknown_target_proposes_the_nearest() -> None:
    with pytest.raises(AgilennError) as caught:
        load_target("stm32f764")
    assert caught.value.exit_code == ExitCode.USAGE
    assert "did you mean 'stm32f746'" in (caught.value.diagnostics[0].hint or "")


@pytest.mark.parametrize("target", list_targets(), ids=lambda t: t.name)
def test_f746_memory_map_is_the_datasheets(target: Target) -> None:
    # DS10916, front page: 1 MB flash, 320 KB SRAM (with 64 KB DTCM), 16 KB instruction RAM.
    sizes = {r.name: r.size for r in target.regions}
    assert sizes["FLASH"] == 1024 * 1024
    assert sizes["DTCM"] + sizes["SRAM"] == 320 * 1024
    assert sizes["ITCM"] == 16 * 1024
    assert target.clock.apb1_hz == 54_000_000
    assert target.clock.apb2_hz == 108_000_000
    assert target.compiler_flags == (
        "-mcpu=cortex-m7",
        "-mfpu=fpv5-sp-d16",
        "-mfloat-abi=hard",
        "-mthumb",
    )


def _disco() -> dict[str, Any]:
    yaml = YAML(typ="safe")
    board = yaml.load((targets_dir() / "stm32f746g-disco.yaml").read_text())
    board["mcu"] = {
        "name": "own",
        **yaml.load((targets_dir() / "mcu" / "stm32f746.yaml").read_text()),
    }
    return dict(board)


def _load(board: dict[str, Any], folder: Path) -> Target:
    file = folder / "own.yaml"
    with file.open("w") as stream:
        YAML(typ="safe").dump(board, stream)
    return load_target(str(file))


def test_one_file_describes_a_board_that_is_not_built_in(tmp_path: Path) -> None:
    board = _disco() | {"name": "my-board", "aliases": []}
    assert _load(board, tmp_path).name == "my-board"


def _set(board: dict[str, Any], path: str, value: object) -> None:
    keys: list[str | int] = [int(k) if k.isdigit() else k for k in path.split(".")]
    node: Any = board
    for key in keys[:-1]:
        node = node[key]
    node[keys[-1]] = value


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("mcu.regions.3.origin", 0x20008000, "overlap"),
        ("mcu.regions.3.size", "240 KiB", "datasheet"),
        ("mcu.regions.3.size", "1 parsec", "no size"),
        ("mcu.regions.2.cached", True, "cached"),
        ("mcu.regions.2.dma", False, "DMA cannot reach"),
        ("mcu.regions.2.uses", ["data", "dma"], "'stack'"),
        ("link_uart.tx", "PC16", "no pin"),
        ("link_uart.tx", "PA9", "used twice"),
        ("link_uart.instance", "USART1", "no DMA"),
        ("console.instance", "UART42", "UART42"),
        ("cubeide.mcu", "STM32F999ZZTx", "unknown"),
        ("cubeide.mcu", "STM32H743ZITx", "fpv5-d16"),
        ("clock.pll.n", 400, "sysclk_hz"),
        ("clock.pll.m", 63, "PLL input"),
        ("clock.overdrive", False, "over-drive"),
        ("clock.flash_wait_states", 6, "7 flash wait states"),
        ("clock.apb1_divider", 2, "apb1"),
        ("mcu.interrupts", 70, "vector table"),
        ("colour", "blue", "colour"),
    ],
)
def test_contradictions_are_refused(path: str, value: object, message: str, tmp_path: Path) -> None:
    board = _disco()
    _set(board, path, value)
    with pytest.raises(AgilennError) as caught:
        _load(board, tmp_path)
    assert caught.value.exit_code == ExitCode.SPEC
    assert message in str(caught.value)


def test_missing_and_broken_files_are_explained(tmp_path: Path) -> None:
    with pytest.raises(AgilennError, match="cannot read"):
        load_target(str(tmp_path / "none.yaml"))
    (tmp_path / "broken.yaml").write_text("a: [1")
    with pytest.raises(AgilennError, match="no valid YAML"):
        load_target(str(tmp_path / "broken.yaml"))
    (tmp_path / "orphan.yaml").write_text("{name: x, mcu: stm32x999}")
    with pytest.raises(AgilennError, match="no microcontroller 'stm32x999'"):
        load_target(str(tmp_path / "orphan.yaml"))
