"""Board descriptions: what is built in, and what a contradiction in one leads to."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from agilenn_cc.errors import AgilennError, ExitCode
from agilenn_cc.resources import targets_dir
from agilenn_cc.targets import Target, list_targets, load, load_target


def test_alias_names_the_discovery_board() -> None:
    assert load_target("stm32f746").name == "stm32f746g-disco"
    names = {t.name for t in list_targets()}
    assert names >= {
        "stm32f746g-disco", "nucleo-f746zg", "nucleo-h743zi", "stm32f407g-disc1", "nucleo-f446re",
        "nucleo-l476rg", "nucleo-u575zi-q", "nucleo-g0b1re",
    }  # fmt: skip


def test_unknown_target_proposes_the_nearest() -> None:
    with pytest.raises(AgilennError) as caught:
        load_target("stm32f764")
    assert caught.value.exit_code == ExitCode.USAGE
    assert "did you mean 'stm32f746'" in (caught.value.diagnostics[0].hint or "")


KIB, MIB = 1 << 10, 1 << 20
# Front pages of the datasheets: flash, SRAM of every kind but backup, instruction RAM (bytes);
# core, APB1 and APB2 clocks (MHz) that the board's description reaches.
DATASHEETS = {
    "stm32f746g-disco": (MIB, 320 * KIB, 16 * KIB, 216, 54, 108),  # DS10916
    "nucleo-f746zg": (MIB, 320 * KIB, 16 * KIB, 216, 54, 108),
    "nucleo-h743zi": (2 * MIB, (128 + 864) * KIB, 64 * KIB, 400, 100, 100),  # DS12110
    "stm32f407g-disc1": (MIB, 192 * KIB, 0, 168, 42, 84),  # DS8626
    "nucleo-f446re": (512 * KIB, 128 * KIB, 0, 180, 45, 90),  # DS10693
    "nucleo-l476rg": (MIB, 128 * KIB, 0, 80, 80, 80),  # DS10198
    "nucleo-u575zi-q": (2 * MIB, 786 * KIB, 0, 160, 160, 160),  # DS13737
    "nucleo-g0b1re": (512 * KIB, 144 * KIB, 0, 64, 64, 64),  # DS13560
}


@pytest.mark.parametrize("name", DATASHEETS)
def test_memory_and_clock_are_the_datasheets(name: str) -> None:
    target = load_target(name)
    flash, ram, instruction_ram, core, apb1, apb2 = DATASHEETS[name]
    by_use = {"flash": 0, "ram": 0, "instruction": 0}
    for region in target.regions:
        uses = set(region.uses)
        kind = "flash" if "code" in uses else "instruction" if "fast-code" in uses else "ram"
        by_use[kind] += region.size
    assert by_use == {"flash": flash, "ram": ram, "instruction": instruction_ram}
    clocks = (target.core_hz, target.clock.apb1_hz, target.clock.apb2_hz)
    assert clocks == (core * 1_000_000, apb1 * 1_000_000, apb2 * 1_000_000)


@pytest.mark.parametrize("name", DATASHEETS)
@pytest.mark.parametrize("baud", [115_200, 921_600, 2_000_000])
def test_link_uart_comes_within_two_percent_of_the_modules_rates(name: str, baud: int) -> None:
    # The rule of the manuals: an integer of at least 16 divides the clock, or 8 of it at 8 samples.
    target = load_target(name)
    clock_hz = target.uart_clock_hz(target.link_uart)
    divider = round(clock_hz / baud) if clock_hz / baud >= 16 else round(2 * clock_hz / baud) / 2
    assert divider >= 8
    assert abs(clock_hz / divider - baud) <= 0.02 * baud


def test_flags_select_the_core() -> None:
    assert load_target("stm32f746").compiler_flags == (
        "-mcpu=cortex-m7", "-mfpu=fpv5-sp-d16", "-mfloat-abi=hard", "-mthumb",
    )  # fmt: skip
    assert load_target("stm32g0b1").compiler_flags == (
        "-mcpu=cortex-m0plus", "-mfloat-abi=soft", "-mthumb",
    )  # fmt: skip


def test_regions_fall_back_where_a_part_has_no_special_memory() -> None:
    target = load_target("nucleo-g0b1re")
    assert target.region_for("fast-code").name == "FLASH"
    assert target.region_for("bulk").name == "SRAM"
    assert load_target("nucleo-h743zi").region_for("bulk").name == "AXI"


def test_only_the_f746_is_emulated() -> None:
    assert {t.mcu.name for t in list_targets() if t.mcu.emulated} == {"stm32f746"}


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
        ("mcu.uarts.USART6.dma", None, "no DMA"),
        ("mcu.uarts.USART6.dma.rx.irq", 37, "share the interrupt USART1"),
        ("mcu.uarts.USART6.irq", 70, "is that of DMA2_Stream7"),
        ("mcu.regions.3.uncached_by_mpu", True, "powers of two"),
        ("mcu.core_before_ahb_divider", "perhaps", "core_before_ahb_divider"),
        ("clock.pll.p", 3, "pll.p"),
        ("clock.pll.p", None, "pll.p is missing"),
        ("console.instance", "UART42", "UART42"),
        ("cubeide.mcu", "STM32F999ZZTx", "unknown"),
        ("cubeide.mcu", "STM32H743ZITx", "fpv5-d16"),
        ("clock.pll.n", 400, "sysclk_hz"),
        ("clock.pll.m", 63, "PLL input"),
        ("clock.overdrive", False, "over-drive"),
        ("clock.flash_wait_states", 6, "7 flash wait states"),
        ("clock.apb1_divider", 2, "apb1"),
        ("mcu.interrupts", ["WWDG"], "vector table"),
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


class _Entry:
    """Stands for an entry point of an installed package."""

    name, value, dist = "acme", "acme:BOARDS", None

    def __init__(self, loaded: object) -> None:
        self._loaded = loaded

    def load(self) -> object:
        return self._loaded


def _listed(loaded: object, monkeypatch: pytest.MonkeyPatch) -> dict[str, Target]:
    monkeypatch.setattr(load, "entry_points", lambda group: [_Entry(loaded)])
    return {target.name: target for target in load.list_targets.__wrapped__()}


def test_packages_bring_boards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _load(_disco() | {"name": "acme-one", "aliases": []}, tmp_path)
    assert "acme-one" in _listed(tmp_path, monkeypatch)
    own = load_target("stm32f746").model_copy(update={"name": "acme-two"})
    assert _listed(own, monkeypatch)["acme-two"] is own
    with pytest.raises(AgilennError, match="neither a Target nor a folder") as caught:
        _listed(42, monkeypatch)
    assert caught.value.exit_code == ExitCode.EXTERNAL
