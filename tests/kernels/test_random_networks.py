"""Random networks on three emulated cores: every tensor in memory equals the integer reference.

The distribution is that of `random_network`; `test_the_networks_hold_what_they_promise` counts it.
"""

from collections import Counter

import numpy as np
import pytest

from agilenn_cc.ir.ops import AveragePool, Conv2D, DepthwiseConv2D, MaxPool
from agilenn_cc.ir.reference import run
from agilenn_cc.kernels.scaling import ScaledOp, accumulator_bounds
from agilenn_cc.passes import compile as compile_network
from agilenn_cc.targets import load_target
from agilenn_cc.verify.host import compare
from agilenn_cc.verify.random_networks import random_network

CORES = {
    "cortex-m7": ("stm32f746", "specialised"),
    "cortex-m4": ("stm32f407g-disc1", "specialised"),
    "cortex-m0plus": ("nucleo-g0b1re", "portable"),
}
WINDOWS = (Conv2D, DepthwiseConv2D, MaxPool, AveragePool)
SEEDS = range(1000, 1200)
SAMPLE = range(1000, 1006)
BLOCK = 20


def traits(graph):
    """Return what a network has of that which kernels may get wrong."""
    found = set()
    for op in graph.ops:
        found.add(type(op).__name__)
        if isinstance(op, WINDOWS):
            top, bottom, left, right = op.padding
            found.add("uneven padding" if top != bottom or left != right else "even padding")
            found.update(f"stride {n}" for n in op.stride)
            found.add(f"channels {graph.tensors[op.output].channels}")
            if isinstance(op, Conv2D):
                found.update(f"kernel {n}" for n in op.weights.shape[1:3])
        if isinstance(op, ScaledOp):
            bounds = accumulator_bounds(op, graph.tensors[op.inputs[0]])
            found.update(["left shift"] if op.shift.max() > 0 else [])
            found.update(["sums beyond 2^30"] if bounds.max() >= 2**30 else [])
            found.update(["saturated"] if set(np.unique(op.weights)) <= {-128, 127} else [])
    return found


def test_the_networks_hold_what_they_promise():
    counts = Counter(trait for seed in SEEDS for trait in traits(random_network(seed)))
    expected = {"Conv2D", "DepthwiseConv2D", "FullyConnected", "Add", "Mean", "MaxPool"}
    expected |= {"AveragePool", "uneven padding", "even padding", "saturated", "left shift"}
    expected |= {"sums beyond 2^30", *(f"stride {n}" for n in range(1, 5))}
    expected |= {f"kernel {n}" for n in range(1, 8)}
    expected |= {f"channels {n}" for n in (1, 2, 3, 5, 7, 9, 11, 13)}
    assert {trait: counts[trait] for trait in expected if counts[trait] < 5} == {}


def images_for(shape, seed):
    """Return four frames: noise, noise of the extreme pixels only, black, white."""
    rng = np.random.default_rng(seed)
    noise = rng.integers(0, 256, shape, dtype=np.uint8)
    extremes = rng.choice(np.array([0, 255], dtype=np.uint8), shape)
    return np.stack([noise, extremes, np.zeros_like(noise), np.full_like(noise, 255)])


def first_difference(seed, core, run_frames):
    """Return where one seed's program first differs from the reference, or None."""
    board, kernels = CORES[core]
    graph = random_network(seed)
    program = compile_network(
        graph,
        load_target(board),
        model_id=1,
        alpha=0.5,
        classes=("a", "b", "c", "d"),
        levels=8,
        kernels=kernels,
    )
    images = images_for(program.input_shape, seed)
    frames = run_frames(program, images, core)
    computed = {name: np.stack([f.tensors[name] for f in frames]) for name in frames[0].tensors}
    assert set(computed) == {tap.tensor for tap in program.taps} >= {"logits", "indices"}
    expected = run(graph, images)
    # What the network hands on, too: the logits by pointer, the symbols by rows to the sink.
    computed["logits handed on"] = np.stack([f.logits for f in frames])
    computed["symbols"] = np.stack([f.symbols for f in frames])
    expected["logits handed on"] = expected["logits"]
    expected["symbols"] = expected["indices"].transpose(0, 1, 3, 2).reshape(len(frames), -1)
    return compare(computed, expected).first_mismatch


@pytest.mark.parametrize("core", CORES)
@pytest.mark.parametrize("seed", SAMPLE)
def test_sample(core, seed, run_frames):
    assert first_difference(seed, core, run_frames) is None


@pytest.mark.slow
@pytest.mark.parametrize("core", CORES)
@pytest.mark.parametrize("start", SEEDS[::BLOCK])
def test_two_hundred_networks(core, start, run_frames):
    found = {s: first_difference(s, core, run_frames) for s in range(start, start + BLOCK)}
    assert {seed: place for seed, place in found.items() if place is not None} == {}
