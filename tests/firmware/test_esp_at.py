"""The ESP-AT driver on the host, with sanitizers, against a module that misbehaves on demand."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

PARTS = ("esp_at", "esp_at_setup", "esp_at_commands", "esp_at_parser", "text")
SOURCES = tuple(f"Runtime/agilenn/{part}.cpp" for part in PARTS)
DRIVERS = ("esp_at_driver.cpp", "esp_at_recovery_driver.cpp")
SCENARIOS = [
    (driver, scenario)
    for driver in DRIVERS
    for scenario in re.findall(r"SCENARIO\((\w+)\),", (Path(__file__).parent / driver).read_text())
]


@pytest.fixture(scope="module")
def programs(build_driver: Callable[[str, tuple[str, ...]], Path]) -> dict[str, Path]:
    return {driver: build_driver(driver, SOURCES) for driver in DRIVERS}


@pytest.mark.parametrize(("driver", "scenario"), SCENARIOS, ids=lambda value: value)
def test_scenario(driver: str, scenario: str, programs: dict[str, Path]) -> None:
    command = [programs[driver], scenario]
    result = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert result.returncode == 0, result.stderr
