"""The ESP-AT driver on the host, with sanitizers, against a module that misbehaves on demand."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

PARTS = ("esp_at", "esp_at_setup", "esp_at_commands", "esp_at_parser", "text")
SOURCES = tuple(f"Runtime/agilenn/{part}.cpp" for part in PARTS)
SCENARIOS = re.findall(
    r"SCENARIO\((\w+)\),", (Path(__file__).parent / "esp_at_driver.cpp").read_text()
)


@pytest.fixture(scope="module")
def driver(build_driver: Callable[[str, tuple[str, ...]], Path]) -> Path:
    return build_driver("esp_at_driver.cpp", SOURCES)


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_scenario(scenario: str, driver: Path) -> None:
    result = subprocess.run([driver, scenario], capture_output=True, text=True, timeout=120)
    assert result.returncode == 0, result.stderr
