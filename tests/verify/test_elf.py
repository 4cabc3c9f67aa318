"""The linked firmware of small networks on the emulated board, against the integer reference."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from agilenn_cc.emit import DeploymentMeta, emit_project
from agilenn_cc.emit.firmware_build import build_elf
from agilenn_cc.emit.writer import write_tree
from agilenn_cc.emulator import EmulatedBoard, EspAtModule
from agilenn_cc.ir.reference import run as run_reference
from agilenn_cc.passes import compile as compile_program
from agilenn_cc.targets import load_target
from agilenn_cc.verify.elf import PHASES, measure, verify_elf
from agilenn_cc.verify.random_networks import random_network
from agilenn_cc.verify.stack_bound import check_reserve, stack_bound

SAMPLES = 3


class Built:
    def __init__(self, directory: Path, seed: int, target_name: str = "stm32f746") -> None:
        self.target = load_target(target_name)
        self.graph = random_network(seed)
        self.program = compile_program(
            self.graph, self.target, model_id=7, alpha=0.4, classes=tuple("abcd"), levels=8
        )
        shape = (SAMPLES, *self.program.input_shape)
        self.images = np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)
        meta = DeploymentMeta(
            name="random",
            model_id=7,
            class_names=self.program.classes,
            codec="lzw",
            levels=8,
            fragment_bytes=432,
            server_host="192.168.1.10",
            server_port=5700,
            deadline_ms=50.0,
            baud=2_000_000,
            alpha=0.4,
            sample_images=self.images,
        )
        write_tree(emit_project(self.program, meta, self.target), directory)
        self.elf = build_elf(directory, out_dir=directory / "out")

    def verify(self, graph=None):
        return verify_elf(self.elf, self.program, graph or self.graph, self.target, self.images)


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    if shutil.which("arm-none-eabi-g++") is None:
        pytest.skip("arm-none-eabi-g++ is not installed")
    return Built(tmp_path_factory.mktemp("network"), seed=7)


def test_every_tensor_equals_the_reference(built):
    result = built.verify()
    assert (result.mismatches, result.first_mismatch) == (0, None)
    assert result.samples == SAMPLES
    watched = {tap.tensor for tap in built.program.taps}
    assert result.tensors == len(watched)
    assert {"logits", "indices"} <= watched


def test_a_wrong_weight_is_found_and_named(built):
    """Verification against another graph must fail: otherwise its zero would prove nothing."""
    position, dense = next((i, op) for i, op in enumerate(built.graph.ops) if op.output == "logits")
    other = replace(dense, bias=dense.bias + 4 * (1 << 8))
    ops = (*built.graph.ops[:position], other, *built.graph.ops[position + 1 :])
    graph = replace(built.graph, ops=ops)
    differing = run_reference(graph, built.images)["logits"]
    if np.array_equal(differing, run_reference(built.graph, built.images)["logits"]):
        pytest.fail("the changed bias changes nothing: choose a larger change")
    result = built.verify(graph)
    assert result.mismatches > 0
    assert "logits" in str(result.first_mismatch)


def test_counts_are_plausible_and_repeatable(built):
    first = measure(built.elf, built.program, built.target, built.images)
    assert measure(built.elf, built.program, built.target, built.images) == first
    assert set(first.phase_instructions) == set(PHASES)
    # Where the quantiser is folded into the last layer, it has no instructions of its own.
    separate = any(stage.phase == "quantise" for stage in built.program.stages)
    counts = dict(first.phase_instructions)
    assert (counts.pop("quantise") > 0) == separate
    assert all(count > 0 for count in counts.values())
    stages = {stage.function: stage.phase for stage in built.program.stages}
    assert set(first.function_instructions) == set(stages)
    for phase in ("extractor", "local"):
        total = sum(first.function_instructions[f] for f, p in stages.items() if p == phase)
        # Helpers that belong to a phase without being a stage come on top.
        assert 0 < total <= first.phase_instructions[phase]
    assert 128 < first.stack_bytes <= 1536  # of 2,048


def test_other_board(built, tmp_path):
    other = Built(tmp_path, seed=2, target_name="nucleo-f746zg")
    assert other.verify().mismatches == 0


def test_the_stack_stays_below_its_bound(built):
    bound = stack_bound(built.elf, built.elf.parent, built.target)
    check_reserve(bound)
    used = measure(built.elf, built.program, built.target, built.images).stack_bytes
    # Not all interrupts come inside each other in the deepest function; but a bound far above what
    # is seen would say little.
    assert used <= bound.bytes < 2 * used


def test_interrupts_have_the_priorities_that_the_bound_assumes(built):
    board = EmulatedBoard(built.elf, built.target, EspAtModule(None))
    board.run(seconds=0.02)
    for position, priority in built.target.interrupt_priorities.items():
        register = board.cpu.read(0xE000E400 + position, 1)[0]
        assert register >> 4 == priority
