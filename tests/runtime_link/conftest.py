"""Builds the host program that runs the device's link code, with sanitizers."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from agilenn_cc.resources import templates_dir

sys.path += [str(Path(__file__).parent), str(Path(__file__).parents[1] / "codec")]

RUNTIME = templates_dir() / "firmware" / "Runtime"
SOURCES = [RUNTIME / "agilenn" / f"{name}.cpp" for name in ("crc32", "protocol", "combine")]
WARNINGS = ["-std=gnu++17", "-Wall", "-Wextra", "-Werror"]


class Device:
    """Sends one command line to the program and returns its answer's words."""

    def __init__(self, program: Path) -> None:
        self._process = subprocess.Popen(
            [program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def __call__(self, *words: object) -> list[str]:
        self._process.stdin.write(" ".join(str(word) for word in words) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        assert line, "the program died: see its sanitizer report above"
        return line.split()

    def close(self) -> int:
        self._process.stdin.close()
        return self._process.wait(timeout=20)


@pytest.fixture(scope="session")
def device(tmp_path_factory):
    compiler = shutil.which("g++")
    if compiler is None:
        pytest.skip("g++ is not installed")
    program = tmp_path_factory.mktemp("runtime_link") / "driver"
    sanitize = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
    driver = Path(__file__).with_name("driver.cpp")
    subprocess.run(
        [
            compiler,
            *WARNINGS,
            "-O1",
            "-g",
            *sanitize,
            f"-I{RUNTIME}",
            driver,
            *SOURCES,
            "-o",
            program,
        ],
        check=True,
        timeout=300,
    )
    device = Device(program)
    yield device
    assert device.close() == 0
