"""The project through compiler and linker: every board, both configurations, IDE and CMake."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from elftools.elf.elffile import ELFFile

from agilenn_cc.emit import firmware_build
from agilenn_cc.emit.cproject import command_lines
from agilenn_cc.emit.firmware_build import build_elf
from agilenn_cc.errors import AgilennError, ExitCode

needs_compiler = pytest.mark.skipif(
    shutil.which("arm-none-eabi-g++") is None, reason="arm-none-eabi-g++ is not installed"
)
needs_cmake = pytest.mark.skipif(shutil.which("cmake") is None, reason="cmake is not installed")
STRICT = ("-Wall", "-Wextra", "-Werror")
# What the compiler itself may call; everything else of libc is a mistake.
COMPILER_SUPPORT = {"_udivmoddi4", "_aeabi_uldivmod", "_dvmd_tls"}
# An ARMv6-M core has neither divider, nor long multiplication, nor table branch.
ARMV6_SUPPORT = {
    "_udivsi3", "_divsi3", "_muldi3", "_clzsi2", "_thumb1_case_uqi", "_thumb1_case_sqi",
    "_thumb1_case_uhi",
}  # fmt: skip
ALLOWED_LIBC = {"memcpy", "memset", "memmove", "memcmp", "memchr"}


@dataclass(frozen=True)
class Built:
    """The ELF of a board's project and what is known of the board."""

    emitted: Any
    elf: Path

    @property
    def memory(self) -> dict[str, tuple[int, int]]:
        return dict(self.emitted.part.memory)


@pytest.fixture(scope="module", params=["Debug", "Release"])
def built(
    request: pytest.FixtureRequest, emitted: Any, tmp_path_factory: pytest.TempPathFactory
) -> Built:
    if shutil.which("arm-none-eabi-g++") is None:
        pytest.skip("arm-none-eabi-g++ is not installed")
    out_dir = tmp_path_factory.mktemp("elf") / request.param
    return Built(
        emitted,
        build_elf(emitted.folder, request.param, out_dir=out_dir, extra_flags=STRICT),
    )


def _symbols(elf: Path) -> dict[str, int]:
    with elf.open("rb") as stream:
        table = ELFFile(stream).get_section_by_name(".symtab")
        return {s.name: s["st_value"] for s in table.iter_symbols() if s.name}


def test_command_lines_are_those_of_cubeide(emitted: Any) -> None:
    part = emitted.part
    debug, release = (command_lines(emitted.folder, c) for c in ("Debug", "Release"))
    arguments = release.compile["App/main.cpp"]
    fpu = (f"-mfpu={part.fpu}", "-mfloat-abi=hard") if part.fpu else ("-mfloat-abi=soft",)
    for expected in (
        f"-mcpu={part.cpu}", "-std=gnu++17", "-O3", f"-D{part.symbol}", "-IBoard", *fpu,
        "-fno-exceptions", "-fno-rtti", "--specs=nano.specs", "-Wextra",
    ):  # fmt: skip
        assert expected in arguments, expected
    assert "-Og" in debug.compile["App/main.cpp"]
    assert "-DDEBUG" in debug.compile["App/main.cpp"]
    assert "-DDEBUG" not in arguments
    assert any(re.fullmatch(r"-TSTM32[A-Z0-9]+_FLASH\.ld", a) for a in release.link)
    assert "Generated/network.cpp" in release.compile


def _inside(memory: dict[str, tuple[int, int]], start: int, end: int) -> str | None:
    """Return the memory that holds the bytes from start up to, not including, end."""
    return next(
        (name for name, (low, size) in memory.items() if low <= start and end <= low + size), None
    )


def test_elf_fits_the_memory_of_the_part(built: Built) -> None:
    low, size = built.memory["flash"]
    with built.elf.open("rb") as stream:
        file = ELFFile(stream)
        for section in file.iter_sections():
            if section["sh_flags"] & 2 and section["sh_size"]:
                start = section["sh_addr"]
                assert _inside(built.memory, start, start + section["sh_size"]), section.name
        for segment in file.iter_segments("PT_LOAD"):
            if segment["p_filesz"]:
                assert low <= segment["p_paddr"] < low + size
        assert file["e_entry"] == _symbols(built.elf)["Reset_Handler"]


def test_vector_table(built: Built) -> None:
    part, symbols = built.emitted.part, _symbols(built.elf)
    with built.elf.open("rb") as stream:
        file = ELFFile(stream)
        section = file.get_section_by_name(".isr_vector")
        words = memoryview(section.data()).cast("I")
        assert section["sh_addr"] == 0x08000000
    assert len(words) == 16 + part.interrupts
    assert words[0] == symbols["_estack"]
    assert words[1] == symbols["Reset_Handler"]  # symbols carry the Thumb bit
    assert words[15] == symbols["SysTick_Handler"]
    for position, name in part.handlers.items():
        handler = symbols[f"{name}_IRQHandler"]
        assert words[16 + position] == handler != symbols["Default_Handler"], name
    others = set(range(part.interrupts)) - set(part.handlers)
    assert {words[16 + position] for position in others} == {symbols["Default_Handler"]}


def test_memory_placement(built: Built) -> None:
    symbols, memory, board = _symbols(built.elf), built.memory, built.emitted.board
    assert symbols["_stack_limit"] == built.emitted.part.stack
    assert symbols["_estack"] == symbols["_stack_limit"] + 2048
    assert _inside(memory, symbols["_stack_limit"], symbols["_estack"])
    places = {
        name: _inside(memory, symbols[f"_s{name}"], symbols[f"_e{name}"])
        for name in ("data", "bss", "dma_bss", "bulk")
    }
    assert all(symbols[f"_s{name}"] < symbols[f"_e{name}"] for name in ("bss", "dma_bss", "bulk"))
    assert not any(
        symbols[f"_s{name}"] < symbols["_estack"] and symbols["_stack_limit"] < symbols[f"_e{name}"]
        for name in places
    )
    row = next(v for n, v in symbols.items() if n.startswith("_ZN7agilenn7network8push_rowE"))
    if "itcm" in memory:
        # Nothing executable at address 0, and the stand-in's row function in ITCM.
        assert 0x20 <= symbols["_sfast_code"] < symbols["_efast_code"] <= memory["itcm"][1]
        assert _inside(memory, row, row + 1) == "itcm"
    else:
        assert _inside(memory, row, row + 1) == "flash"
    # DMA reaches SRAM everywhere; of the tightly coupled memories only the F746's. The H743's
    # other memories are cached.
    expected = {"nucleo-h743zi": "sram4", "nucleo-l476rg": "sram1"}
    reachable = expected.get(board, "dtcm" if "itcm" in memory else "sram")
    assert places["dma_bss"] == reachable


def test_no_library_no_heap_no_double(built: Built) -> None:
    map_text = built.elf.with_suffix(".map").read_text()
    pulled = set(re.findall(r"lib[a-z+_]+\.a\(([^)]+)\)", map_text))
    names = _symbols(built.elf)
    assert not [n for n in names if re.fullmatch(r"_*(malloc|free|sbrk|printf|exit)\w*", n)]
    allowed = ALLOWED_LIBC | COMPILER_SUPPORT
    if built.emitted.part.cpu == "cortex-m0plus":
        allowed |= ARMV6_SUPPORT
    assert {re.sub(r"(lib_a-|-stub|\.o$)", "", p) for p in pulled} <= allowed
    listing = subprocess.run(
        ["arm-none-eabi-objdump", "-d", built.elf], capture_output=True, text=True, check=True
    ).stdout
    assert re.search(r"\.f64|__aeabi_d(?!iv)", listing) is None


@needs_compiler
def test_elf_holds_no_path_and_is_reproducible(disco: Path, tmp_path: Path) -> None:
    elf = build_elf(disco, out_dir=tmp_path / "out")
    assert str(disco).encode() not in elf.read_bytes()
    copy = tmp_path / "elsewhere"
    shutil.copytree(disco, copy)
    assert elf.read_bytes() == build_elf(copy, out_dir=tmp_path / "again").read_bytes()


@needs_compiler
@pytest.mark.parametrize("board", ["stm32f746g-disco", "nucleo-g0b1re"])
def test_unoptimised_build_is_free_of_warnings(
    board: str, emit_board: Callable[[str, Path], Path], tmp_path: Path
) -> None:
    project = emit_board(board, tmp_path / "project")
    build_elf(project, "Debug", out_dir=tmp_path / "out", extra_flags=(*STRICT, "-O0"))


@needs_compiler
@needs_cmake
@pytest.mark.parametrize("build_type", ["Debug", "Release"])
def test_cmake_builds_it(build_type: str, disco: Path, tmp_path: Path) -> None:
    subprocess.run(
        ["cmake", "-S", disco, "-B", tmp_path, f"-DCMAKE_BUILD_TYPE={build_type}",
         f"-DCMAKE_TOOLCHAIN_FILE={disco}/arm-none-eabi.cmake",
         "-DCMAKE_COMPILE_WARNING_AS_ERROR=ON"],
        check=True, capture_output=True,
    )  # fmt: skip
    subprocess.run(["cmake", "--build", tmp_path], check=True, capture_output=True)
    assert _symbols(next(tmp_path.glob("*.elf")))["_estack"] == 0x20000800
    assert next(tmp_path.glob("*.bin")).stat().st_size > 4096


@needs_compiler
@needs_cmake
@pytest.mark.parametrize("board", ["mps2-an500", "mps2-an386"])
def test_a_part_without_ide_is_built_by_cmake(
    board: str, emit_board: Callable[[str, Path], Path], tmp_path: Path
) -> None:
    project = emit_board(board, tmp_path / "project")
    assert not (project / ".cproject").exists()
    elf = build_elf(project, "Debug", out_dir=tmp_path / "out", extra_flags=STRICT)
    assert _symbols(elf)["_stack_limit"] == 0x20000000
    assert str(tmp_path).encode() not in elf.read_bytes()


@needs_compiler
def test_the_board_of_the_new_board_page_builds(
    emit_board: Callable[[str, Path], Path], tmp_path: Path
) -> None:
    page = Path(__file__).parents[2] / "docs" / "new-board.md"
    example = re.search(r"```yaml\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    assert example is not None
    board = tmp_path / "olimex-e407.yaml"
    board.write_text(example[1], encoding="utf-8")
    project = emit_board(str(board), tmp_path / "project")
    elf = build_elf(project, out_dir=tmp_path / "out", extra_flags=STRICT)
    assert elf.name == "digits-olimex-e407.elf"
    with elf.open("rb") as stream:
        words = memoryview(ELFFile(stream).get_section_by_name(".isr_vector").data()).cast("I")
    symbols = _symbols(elf)
    # RM0090 section 12.2: USART6 71, USART1 37; its table of DMA2 requests: streams 1 and 6.
    for position, name in ((71, "USART6"), (37, "USART1"), (57, "DMA2_Stream1")):
        assert words[16 + position] == symbols[f"{name}_IRQHandler"]


def test_missing_toolchain_says_what_to_type(
    disco: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(firmware_build, "which", lambda _: None)
    with pytest.raises(AgilennError) as caught:
        build_elf(disco, out_dir=tmp_path)
    assert caught.value.exit_code == ExitCode.EXTERNAL
    assert "apt-get install" in (caught.value.diagnostics[0].hint or "")


@needs_compiler
def test_a_compiler_error_is_shown(disco: Path, tmp_path: Path) -> None:
    copy = tmp_path / "broken"
    shutil.copytree(disco, copy)
    (copy / "App/broken.cpp").write_text("int broken = ;\n")
    with pytest.raises(AgilennError, match=r"broken\.cpp:1"):
        build_elf(copy, out_dir=tmp_path / "out")


def test_a_folder_without_project_is_explained(tmp_path: Path) -> None:
    with pytest.raises(AgilennError) as caught:
        build_elf(tmp_path, out_dir=tmp_path)
    assert caught.value.exit_code == ExitCode.USAGE
