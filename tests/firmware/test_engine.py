"""The inference engine on the host, with sanitizers: combination, deadline, refusal, recovery."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

RUNTIME = ("engine", "console", "text", "combine", "protocol", "crc32")
SOURCES = (*(f"Runtime/agilenn/{name}.cpp" for name in RUNTIME), "Generated/network.cpp")
SCENARIOS = re.findall(
    r"SCENARIO\((\w+)\),", (Path(__file__).parent / "engine_driver.cpp").read_text()
)


@pytest.fixture(scope="module")
def driver(build_driver: Callable[[str, tuple[str, ...]], Path]) -> Path:
    return build_driver("engine_driver.cpp", SOURCES)


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_scenario(scenario: str, driver: Path) -> None:
    result = subprocess.run([driver, scenario], capture_output=True, text=True, timeout=120)
    assert result.returncode == 0, result.stderr
