"""Firmware that calls a CMSIS-NN of the user's: found, checked, copied, linked, proved.

The library is a stand-in that these tests compile; the real one is used where CMSIS_NN_PATH is set.
"""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from agilenn_cc.cache import Cache
from agilenn_cc.emit.cproject import command_lines
from agilenn_cc.emit.writer import write_tree
from agilenn_cc.errors import AgilennError, ExitCode
from agilenn_cc.kernels.cmsis_nn import find_library
from agilenn_cc.pipeline.auto_kernels import resolve_kernels
from agilenn_cc.pipeline.device import (
    CompileOptions,
    compile_device,
    emit_firmware,
    link_firmware,
)
from agilenn_cc.pipeline.payload import untrained_payload
from agilenn_cc.pipeline.placement import untrained_network
from agilenn_cc.pipeline.proof import require_provable
from agilenn_cc.pipeline.reporting import untrained_report
from agilenn_cc.spec import load_spec
from agilenn_cc.targets import load_target
from agilenn_cc.verify.elf import verify_elf

ROOT = Path(__file__).parents[2]
STAND_IN = ROOT / "tests" / "kernels" / "cmsis_nn_stand_in"
TARGET = load_target("stm32f746")
M4_SOFT = ("-mcpu=cortex-m4", "-mfloat-abi=soft", "-mthumb")
FUNCTION = 'extern "C" void lonely() {}\n'
NETWORK = (
    "dataset.image=24x24x3",
    'network.extractor="conv 6 3x3 /2 relu6\\npool max 2\\nsep 8 3x3 relu"',
    "split.top=3",
)

pytestmark = pytest.mark.skipif(
    shutil.which("arm-none-eabi-g++") is None, reason="arm-none-eabi-g++ is not installed"
)


def compile_library(archive, source, flags=TARGET.compiler_flags):
    """Compile C++ text for a target, against the stand-in's headers, into a static library."""
    archive.parent.mkdir(parents=True, exist_ok=True)
    compiled = archive.with_suffix(".o")
    include = f"-I{STAND_IN / 'Include'}"
    command = ("arm-none-eabi-g++", *flags, "-O2", "-std=gnu++17", "-fno-exceptions", include)
    command = (*command, "-x", "c++", "-c", "-", "-o", compiled)
    subprocess.run(command, input=source.encode(), check=True)
    subprocess.run(("arm-none-eabi-ar", "rcs", archive, compiled), check=True)


@pytest.fixture(scope="module")
def source():
    return (STAND_IN / "arm_nnfunctions.cpp").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def built(source, tmp_path_factory):
    """A folder as a user has it: headers, licence, and the library somewhere below."""
    folder = tmp_path_factory.mktemp("cmsis-nn")
    shutil.copytree(STAND_IN, folder, dirs_exist_ok=True)
    compile_library(folder / "build" / "m7" / "libcmsis-nn.a", source)
    return folder


@pytest.fixture
def checkout(built, tmp_path):
    """A copy of the folder, to be spoiled."""
    return shutil.copytree(built, tmp_path / "cmsis-nn")


def firmware_for(path, cache, kernels="cmsis-nn"):
    spec = load_spec(ROOT / "benchmarks" / "device" / "b.yaml", NETWORK)
    network = untrained_network(spec)
    model, identity, images = network.model, network.identity, network.images
    asked = CompileOptions(kernels, cmsis_nn=path)
    options = resolve_kernels(spec, TARGET, model, identity, network.codec_tables, asked, cache)
    program = compile_device(TARGET, model, identity, options)
    tables = network.codec_tables
    firmware = emit_firmware(
        spec, TARGET, program, model.alpha, images, tables, library=options.library
    )
    return spec, network, firmware


def assert_firmware_is_exact(path, cache, version):
    spec, network, firmware = firmware_for(path, cache)
    elf, _cached = link_firmware(firmware, cache)
    program, graph = firmware.program, network.model.graph
    assert {s.kernel for s in program.stages if s.op != "Dense"} >= {"cmsis-nn"}
    result = verify_elf(elf, program, graph, TARGET, network.images)
    assert result.mismatches == 0, result.first_mismatch
    assert result.tensors >= 4
    payload = untrained_payload(spec, program.symbol_count)
    report = untrained_report(spec, TARGET, network.identity, firmware, elf, payload, result)
    assert report.versions["CMSIS-NN"] == version
    listing = subprocess.run(
        ("arm-none-eabi-nm", elf), capture_output=True, text=True, check=True
    ).stdout
    assert "T arm_convolve_wrapper_s8" in listing
    return report


def test_firmware_computes_with_the_library_what_the_reference_does(built, tmp_path):
    report = assert_firmware_is_exact(built, Cache(tmp_path), "V.17.0.0")
    counts = report.device.instructions
    # Plain loops: what the library executes must be counted as its layer's.
    assert counts.extractor > 10 * sum(layer.macs for layer in report.device.layers[:2]) / 2
    assert counts.extractor > counts.total / 2


@pytest.mark.slow
@pytest.mark.skipif(
    not os.environ.get("CMSIS_NN_PATH"), reason="CMSIS_NN_PATH names no built CMSIS-NN"
)
def test_firmware_computes_with_the_real_library_what_the_reference_does(tmp_path):
    library = find_library(TARGET)
    assert_firmware_is_exact(None, Cache(tmp_path), library.version)


def test_project_has_what_it_needs_and_no_more(built, tmp_path):
    _spec, _network, firmware = firmware_for(built, Cache(tmp_path))
    below = {p for p in firmware.files if p.startswith("Libraries/")}
    assert below == {
        "Libraries/CMSIS-NN/LICENSE",
        "Libraries/CMSIS-NN/libcmsis-nn.a",
        "Libraries/CMSIS-NN/Include/arm_nnfunctions.h",
        "Libraries/CMSIS-NN/Include/arm_nn_types.h",
        "Libraries/CMSIS-NN/Include/Internal/linkage.h",
    }
    assert b"CMSIS-NN V.17.0.0" in firmware.files["README.md"]
    write_tree(firmware.files, tmp_path / "project")
    commands = command_lines(tmp_path / "project", "Debug")
    assert "-ILibraries/CMSIS-NN/Include" in commands.compile["Generated/network.cpp"]
    assert "-LLibraries/CMSIS-NN" in commands.link
    assert commands.libraries == ("-lcmsis-nn",)
    assert not any(path.startswith("Libraries") for path in commands.compile)


def test_program_that_calls_nothing_of_the_library_is_without_it(built, tmp_path):
    _spec, _network, firmware = firmware_for(built, Cache(tmp_path), "specialised")
    assert not any(path.startswith("Libraries/") for path in firmware.files)
    assert b"Libraries" not in firmware.files[".cproject"] + firmware.files["CMakeLists.txt"]


def refusal(path, target=TARGET):
    with pytest.raises(AgilennError) as raised:
        find_library(target, path)
    return raised.value.exit_code, [d.message for d in raised.value.diagnostics]


def test_the_archive_that_fits_is_taken(checkout):
    m4 = checkout / "build" / "m4" / "libcmsis-nn.a"
    compile_library(m4, FUNCTION, M4_SOFT)
    library = find_library(TARGET, checkout)
    taken = library.files["Libraries/CMSIS-NN/libcmsis-nn.a"]
    assert taken == (checkout / "build" / "m7" / "libcmsis-nn.a").read_bytes()


def test_two_that_fit_are_too_many(checkout):
    compile_library(checkout / "other" / "libcmsis-nn.a", FUNCTION)
    code, (message,) = refusal(checkout)
    assert code is ExitCode.EXTERNAL
    assert "build/m7/libcmsis-nn.a, other/libcmsis-nn.a" in message


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        (M4_SOFT, "v7E-M, no FPU, soft float ABI; the project passes"),
        (
            ("-mcpu=cortex-m7", "-mfpu=fpv5-d16", "-mfloat-abi=hard", "-mthumb"),
            "v7E-M, double precision FPU, hard float ABI; the board's FPU, fpv5-sp-d16",
        ),
        (
            ("-mcpu=cortex-m33", "-mfpu=fpv5-sp-d16", "-mfloat-abi=hard", "-mthumb"),
            "v8-M.mainline, single precision FPU, hard float ABI; cortex-m7 does not execute it",
        ),
    ],
)
def test_archives_of_other_cores_are_refused_each_with_its_reason(checkout, flags, expected):
    compile_library(checkout / "build" / "m7" / "libcmsis-nn.a", FUNCTION, flags)
    shutil.copytree(checkout / "build", checkout / "again")
    code, messages = refusal(checkout)
    assert code is ExitCode.UNSUPPORTED
    assert len(messages) == 2
    assert all(expected in message for message in messages)


def test_a_missing_function_is_named(checkout, source):
    # Renamed beside the declaration, so that it is declared and not defined.
    spoiled = source.replace("arm_max_pool_s8(", "arm_other_pool_s8(")
    archive = checkout / "build" / "m7" / "libcmsis-nn.a"
    archive.unlink()
    compile_library(archive, spoiled)
    code, (message,) = refusal(checkout)
    assert code is ExitCode.UNSUPPORTED
    assert message.startswith("CMSIS-NN V.17.0.0: ")
    assert message.endswith("does not define arm_max_pool_s8")


def test_another_api_is_refused(checkout):
    header = checkout / "Include" / "arm_nnfunctions.h"
    header.write_text(header.read_text().replace("const int channels)", "int channels, int rows)"))
    code, (message,) = refusal(checkout)
    assert code is ExitCode.UNSUPPORTED
    assert "arm_avgpool_s8_get_buffer_size has (const int, int, int)" in message


@pytest.mark.parametrize(
    ("missing", "expected"),
    [
        ("build", "there is no libcmsis-nn.a below"),
        ("LICENSE", "there is no licence at"),
        ("Include", "arm_nnfunctions.h cannot be read"),
    ],
)
def test_what_is_missing_is_said(checkout, missing, expected):
    path = checkout / missing
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    code, (message,) = refusal(checkout)
    assert code is ExitCode.EXTERNAL
    assert expected in message


@pytest.mark.parametrize(
    ("content", "expected"),
    [(b"!<thin>\n/", "a thin archive"), (b"!<arch>\n", "holds no object"), (b"", "archive")],
)
def test_what_is_no_archive_is_said(checkout, content, expected):
    (checkout / "build" / "m7" / "libcmsis-nn.a").write_bytes(content)
    code, (message,) = refusal(checkout)
    assert code is ExitCode.EXTERNAL
    assert expected in message


@pytest.mark.parametrize(("target", "expected"), [("stm32f746", "where it is"), ("host", "none")])
def test_kernels_without_a_library_say_how_to_name_it(target, expected, monkeypatch, tmp_path):
    monkeypatch.delenv("CMSIS_NN_PATH", raising=False)
    spec = load_spec(ROOT / "benchmarks" / "device" / "b.yaml", NETWORK)
    network = untrained_network(spec)
    arguments = (network.model, network.identity, b"", CompileOptions("cmsis-nn"), Cache(tmp_path))
    with pytest.raises(AgilennError, match=expected) as raised:
        resolve_kernels(spec, load_target(target), *arguments)
    assert raised.value.exit_code is ExitCode.UNSUPPORTED


def test_a_board_that_is_not_emulated_cannot_be_proved():
    options = CompileOptions("cmsis-nn")
    require_provable(TARGET, options)
    require_provable(load_target("nucleo-f446re"), CompileOptions("auto"))
    with pytest.raises(AgilennError, match="cannot be proved for nucleo-f446re") as raised:
        require_provable(load_target("nucleo-f446re"), options)
    assert raised.value.exit_code is ExitCode.UNSUPPORTED
