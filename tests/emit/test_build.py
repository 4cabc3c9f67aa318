"""The project through compiler and linker: both boards, both configurations, IDE and CMake."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from elftools.elf.elffile import ELFFile

from agilenn_cc.emit import firmware_build
from agilenn_cc.emit.cproject import command_lines
from agilenn_cc.emit.firmware_build import build_elf
from agilenn_cc.errors import AgilennError, ExitCode

needs_compiler = pytest.mark.skipif(
    shutil.which("arm-none-eabi-g++") is None, reason="arm-none-eabi-g++ is not installed"
)
STRICT = ("-Wall", "-Wextra", "-Werror")
# What the compiler itself may call; everything else of libc is a mistake.
COMPILER_SUPPORT = {"_udivmoddi4", "_aeabi_uldivmod", "_dvmd_tls"}
ALLOWED_LIBC = {"memcpy", "memset", "memmove", "memcmp", "memchr"}


@pytest.fixture(scope="module", params=["Debug", "Release"])
def elf(
    request: pytest.FixtureRequest, project: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    if shutil.which("arm-none-eabi-g++") is None:
        pytest.skip("arm-none-eabi-g++ is not installed")
    return build_elf(
        project,
        request.param,
        out_dir=tmp_path_factory.mktemp("elf") / request.param,
        extra_flags=STRICT,
    )


def _symbols(elf: Path) -> dict[str, int]:
    with elf.open("rb") as stream:
        table = ELFFile(stream).get_section_by_name(".symtab")
        return {s.name: s["st_value"] for s in table.iter_symbols() if s.name}


def test_command_lines_are_those_of_cubeide(project: Path) -> None:
    debug, release = (command_lines(project, c) for c in ("Debug", "Release"))
    arguments = release.compile["App/main.cpp"]
    for expected in (
        "-mcpu=cortex-m7", "-std=gnu++17", "-O3", "-DSTM32F746xx", "-IBoard", "-fno-exceptions",
        "-fno-rtti", "-mfpu=fpv5-sp-d16", "-mfloat-abi=hard", "--specs=nano.specs", "-Wextra",
    ):  # fmt: skip
        assert expected in arguments, expected
    assert "-Og" in debug.compile["App/main.cpp"]
    assert "-DDEBUG" in debug.compile["App/main.cpp"]
    assert "-DDEBUG" not in arguments
    assert any(re.fullmatch(r"-TSTM32F746[NZ]GT?H?X_FLASH\.ld", a) for a in release.link)
    assert "Generated/network.cpp" in release.compile


def test_elf_fits_the_memory_of_the_part(elf: Path) -> None:
    # RM0385 section 2.2: flash, ITCM, DTCM, SRAM1 and SRAM2.
    regions = [
        (0x08000000, 1 << 20),
        (0, 16 << 10),
        (0x20000000, 64 << 10),
        (0x20010000, 256 << 10),
    ]

    def inside(start: int, size: int) -> bool:
        return any(low <= start and start + size <= low + length for low, length in regions)

    with elf.open("rb") as stream:
        file = ELFFile(stream)
        for section in file.iter_sections():
            if section["sh_flags"] & 2 and section["sh_size"]:
                assert inside(section["sh_addr"], section["sh_size"]), section.name
        for segment in file.iter_segments("PT_LOAD"):
            if segment["p_filesz"]:
                assert 0x08000000 <= segment["p_paddr"] < 0x08100000
        assert file["e_entry"] == _symbols(elf)["Reset_Handler"]


def test_vector_table(elf: Path) -> None:
    symbols = _symbols(elf)
    with elf.open("rb") as stream:
        file = ELFFile(stream)
        section = file.get_section_by_name(".isr_vector")
        words = memoryview(section.data()).cast("I")
        assert section["sh_addr"] == 0x08000000
    assert len(words) == 16 + 98
    assert words[0] == symbols["_estack"]
    assert words[1] == symbols["Reset_Handler"]  # symbols carry the Thumb bit
    assert words[15] == symbols["SysTick_Handler"]
    # RM0385 section 10.1.2: USART6 71, DMA2 streams 1 and 6 at 57 and 69.
    assert words[16 + 71] == symbols["USART6_IRQHandler"] != symbols["Default_Handler"]
    assert words[16 + 57] == symbols["DMA2_Stream1_IRQHandler"] != symbols["Default_Handler"]
    assert words[16 + 69] == symbols["DMA2_Stream6_IRQHandler"] != symbols["Default_Handler"]
    assert words[16 + 78] == symbols["DCMI_IRQHandler"] == symbols["Default_Handler"]


def test_memory_placement(elf: Path) -> None:
    symbols = _symbols(elf)
    assert symbols["_stack_limit"] == 0x20000000
    assert symbols["_estack"] == 0x20001000
    assert symbols["_sdata"] >= symbols["_estack"]
    # Nothing executable at address 0, and the stand-in's row function in ITCM.
    assert 0x20 <= symbols["_sfast_code"] < symbols["_efast_code"] <= 16 << 10
    row = next(v for n, v in symbols.items() if n.startswith("_ZN7agilenn7network8push_rowE"))
    assert row < 16 << 10
    # DMA buffers in DTCM (uncached), the frame in SRAM.
    assert 0x20001000 <= symbols["_sdma_bss"] < symbols["_edma_bss"] <= 0x20010000
    assert 0x20010000 <= symbols["_sbulk"] < symbols["_ebulk"]


def test_no_library_no_heap_no_double(elf: Path, project: Path) -> None:
    map_text = elf.with_suffix(".map").read_text()
    pulled = set(re.findall(r"lib[a-z+_]+\.a\(([^)]+)\)", map_text))
    code = {
        name for name in _symbols(elf) if re.fullmatch(r"_*(malloc|free|sbrk|printf|exit)\w*", name)
    }
    assert code == set()
    assert {
        re.sub(r"(lib_a-|-stub|\.o$)", "", p) for p in pulled
    } <= ALLOWED_LIBC | COMPILER_SUPPORT
    listing = subprocess.run(
        ["arm-none-eabi-objdump", "-d", elf], capture_output=True, text=True, check=True
    ).stdout
    assert re.search(r"\.f64|__aeabi_d", listing) is None


def test_elf_holds_no_path_and_is_reproducible(elf: Path, project: Path, tmp_path: Path) -> None:
    assert str(project).encode() not in elf.read_bytes()
    copy = tmp_path / "elsewhere"
    shutil.copytree(project, copy)
    again = build_elf(copy, elf.parent.name, out_dir=tmp_path / "out", extra_flags=STRICT)
    assert elf.read_bytes() == again.read_bytes()


@needs_compiler
def test_unoptimised_build_is_free_of_warnings(project: Path, tmp_path: Path) -> None:
    build_elf(project, "Debug", out_dir=tmp_path, extra_flags=(*STRICT, "-O0"))


@needs_compiler
@pytest.mark.skipif(shutil.which("cmake") is None, reason="cmake is not installed")
def test_cmake_builds_it(project: Path, tmp_path: Path) -> None:
    for build_type in ("Debug", "Release"):
        folder = tmp_path / build_type
        subprocess.run(
            ["cmake", "-S", project, "-B", folder, f"-DCMAKE_BUILD_TYPE={build_type}",
             f"-DCMAKE_TOOLCHAIN_FILE={project}/arm-none-eabi.cmake",
             "-DCMAKE_COMPILE_WARNING_AS_ERROR=ON"],
            check=True, capture_output=True,
        )  # fmt: skip
        subprocess.run(["cmake", "--build", folder], check=True, capture_output=True)
        elf = next(folder.glob("*.elf"))
        assert _symbols(elf)["_estack"] == 0x20001000
        assert next(folder.glob("*.bin")).stat().st_size > 4096


def test_missing_toolchain_says_what_to_type(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(firmware_build, "which", lambda _: None)
    with pytest.raises(AgilennError) as caught:
        build_elf(project, out_dir=tmp_path)
    assert caught.value.exit_code == ExitCode.EXTERNAL
    assert "apt-get install" in (caught.value.diagnostics[0].hint or "")


@needs_compiler
def test_a_compiler_error_is_shown(project: Path, tmp_path: Path) -> None:
    copy = tmp_path / "broken"
    shutil.copytree(project, copy)
    (copy / "App/broken.cpp").write_text("int broken = ;\n")
    with pytest.raises(AgilennError, match=r"broken\.cpp:1"):
        build_elf(copy, out_dir=tmp_path / "out")


def test_a_folder_without_project_is_explained(tmp_path: Path) -> None:
    with pytest.raises(AgilennError) as caught:
        build_elf(tmp_path, out_dir=tmp_path)
    assert caught.value.exit_code == ExitCode.USAGE
