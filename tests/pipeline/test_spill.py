"""Networks whose rows are larger than the data memory: they link, run, and say what is missing."""

from pathlib import Path

import pytest

from agilenn_cc.cache import Cache
from agilenn_cc.errors import AgilennError, ExitCode
from agilenn_cc.pipeline.device import (
    CompileOptions,
    compile_device,
    emit_firmware,
    link_firmware,
)
from agilenn_cc.pipeline.placement import untrained_network
from agilenn_cc.report.sizes import elf_sizes
from agilenn_cc.spec import load_spec
from agilenn_cc.targets import load_target
from agilenn_cc.verify.elf import verify_elf

SPEC = Path(__file__).parents[2] / "benchmarks" / "device" / "a.yaml"
TARGET = load_target("stm32f746")
DTCM, SRAM = 64 * 1024, 256 * 1024


def linked(tmp_path, *layers):
    extractor = "network.extractor=" + r'"' + r"\n".join(layers) + r'"'
    spec = load_spec(SPEC, (extractor,))
    network = untrained_network(spec)
    program = compile_device(TARGET, network.model, network.identity, CompileOptions())
    images = network.images[:1]
    firmware = emit_firmware(spec, TARGET, program, network.model.alpha, images, b"")
    elf, _cached = link_firmware(firmware, Cache(tmp_path))
    return elf, program, network.model.graph, images


def used(elf):
    return {name: used for name, used, _size in elf_sizes(elf, TARGET).regions}


def test_large_rows_lie_in_the_largest_memory(tmp_path):
    elf, program, _graph, _images = linked(
        tmp_path, "conv 64 3x3 relu6", "conv 64 3x3 relu6", "conv 24 3x3 relu6"
    )
    assert sum(buffer.bytes for buffer in program.buffers) > DTCM
    regions = used(elf)
    assert regions["DTCM"] <= DTCM
    frame = 96 * 96 * 3
    spilled = sum(b.bytes for b in program.buffers if b.region == "SRAM")
    assert 0 <= regions["SRAM"] - frame - spilled < 64


def test_the_firmware_computes_the_same_there(tmp_path):
    elf, program, graph, images = linked(
        tmp_path, "conv 64 3x3 /3 relu6", "conv 64 3x3 relu6", "conv 64 3x3 relu6", "conv 24 1x1"
    )
    assert "SRAM" in {buffer.region for buffer in program.buffers}
    result = verify_elf(elf, program, graph, TARGET, images)
    assert result.mismatches == 0, result.first_mismatch


def test_what_fits_nowhere_is_said_with_its_size(tmp_path):
    with pytest.raises(AgilennError) as raised:
        linked(tmp_path, *["conv 192 3x3 relu6"] * 3, "conv 24 3x3 relu6")
    assert raised.value.exit_code == ExitCode.BUDGET
    diagnostic = next(d for d in raised.value.diagnostics if "SRAM is" in d.message)
    assert "too small" in diagnostic.message
    assert "_rows" in (diagnostic.hint or "")
