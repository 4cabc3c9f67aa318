"""Exact lines: for every accumulator the values of requantisation, and the codebook's indices."""

import numpy as np
import pytest

from agilenn_cc.ir.ops import Conv2D
from agilenn_cc.ir.requantise import quantize_multipliers, requantise
from agilenn_cc.ir.types import TensorType
from agilenn_cc.kernels.lines import Factors, Requantisation, fit_lines, possible_factors
from agilenn_cc.kernels.scaling import accumulator_bounds

SOURCE = TensorType((8, 8, 3), 1 / 128, 0)


def convolution(rng, outputs, inputs, kernel, *, zero_point=-128, clamp=(-128, 127), factor=1.0):
    shape = (outputs, kernel, kernel, inputs)
    weights = rng.integers(-127, 128, shape).astype(np.int8)
    real = rng.uniform(0.2, 2.0, outputs) * factor / (127 * np.sqrt(kernel * kernel * inputs))
    multiplier, shift = quantize_multipliers(real)
    bias = rng.integers(-2000, 2000, outputs).astype(np.int32)
    op = Conv2D("c", ("a",), "b", weights, bias, multiplier, shift, (1, 1), (0, 0, 0, 0), clamp)
    return op, TensorType((8, 8, outputs), 1 / 32, zero_point)


def expected(op, output, accumulators):
    values = requantise(accumulators, op.multiplier, op.shift, output.zero_point, op.clamp)
    return values.astype(np.int64)


def fixed(op, factor):
    return Factors(*[np.full(len(op.bias), factor)] * 2)


def every_value(op, output, factors):
    low, high = op.clamp
    values = np.arange(low + 1, high + 1)
    channels = range(len(op.bias))
    return fit_lines(op, SOURCE, output, channels, values, values, factors)


@pytest.mark.parametrize("seed", range(6))
def test_values_equal_for_every_accumulator(seed):
    rng = np.random.default_rng(seed)
    op, output = convolution(rng, 4, 2, 1)
    lines = every_value(op, output, possible_factors(op, SOURCE, 1, np.full(4, 127)))
    assert lines is not None
    bounds = accumulator_bounds(op, SOURCE)
    everything = np.arange(-bounds.max(), bounds.max() + 1)[:, None]
    accumulators = np.clip(everything, -bounds, bounds)
    got = np.clip(lines.values(accumulators, op.bias.astype(np.int64)), *op.clamp)
    assert np.array_equal(got, expected(op, output, accumulators))


def around_thresholds(op, output, rng):
    """All accumulators at which a value begins, their neighbours, the extremes and random ones."""
    columns = []
    for index, bound in enumerate(accumulator_bounds(op, SOURCE)):
        channel = Requantisation(
            int(op.multiplier[index]), int(op.shift[index]), output.zero_point, int(bound)
        )
        starts = channel.thresholds(np.arange(-127, 128))
        chosen = [starts - 1, starts, [-bound, bound], rng.integers(-bound, bound + 1, 2000)]
        columns.append(np.clip(np.concatenate(chosen), -bound, bound))
    return np.stack(columns, axis=1)


def test_values_equal_at_all_thresholds():
    found = 0
    for seed in range(30):
        rng = np.random.default_rng(seed)
        op, output = convolution(rng, 8, 24, 3)
        lines = every_value(op, output, possible_factors(op, SOURCE, 4, np.full(8, 9 * 127)))
        if lines is not None:
            accumulators = around_thresholds(op, output, rng)
            got = np.clip(lines.values(accumulators, op.bias.astype(np.int64)), *op.clamp)
            assert np.array_equal(got, expected(op, output, accumulators)), seed
            found += 1
    assert found >= 27, "nearly every rectified layer has exact lines"


@pytest.mark.parametrize("factors", ["fixed", "chosen"])
def test_indices_of_an_uneven_codebook_are_equal(factors):
    found = 0
    for seed in range(30):
        rng = np.random.default_rng(seed)
        op, output = convolution(rng, 8, 24, 3, clamp=(-128, int(rng.integers(-60, 128))))
        levels = np.sort(rng.normal(-60, 50, 8))
        table = np.abs(np.arange(-128, 128)[:, None] - levels).argmin(axis=1)
        places = np.flatnonzero(np.diff(table[np.clip(np.arange(-128, 128), *op.clamp) + 128])) + 1
        possible = possible_factors(op, SOURCE, 4, np.full(8, 9 * 127))
        chosen = fixed(op, 4) if factors == "fixed" else possible
        lines = fit_lines(op, SOURCE, output, range(8), places - 128, places, chosen)
        if lines is not None:
            accumulators = around_thresholds(op, output, rng)
            reached = np.clip(lines.values(accumulators, op.bias.astype(np.int64)), 0, 255)
            got = table[np.clip(reached - 128, *op.clamp) + 128]
            assert np.array_equal(got, table[expected(op, output, accumulators) + 128]), seed
            found += 1
    assert found >= (25 if factors == "fixed" else 29)


def test_a_channel_that_never_changes():
    rng = np.random.default_rng(0)
    op, output = convolution(rng, 3, 2, 1, factor=1e-6)
    lines = every_value(op, output, fixed(op, 1))
    assert lines is not None
    bounds = accumulator_bounds(op, SOURCE)
    accumulators = np.stack([-bounds, 0 * bounds, bounds])
    got = np.clip(lines.values(accumulators, op.bias.astype(np.int64)), *op.clamp)
    assert np.array_equal(got, expected(op, output, accumulators))


def test_steps_that_lie_on_no_line_are_refused():
    # Not rectified: below real zero, ties are rounded the other way, which breaks the line.
    rng = np.random.default_rng(1)
    op, output = convolution(rng, 8, 24, 3, zero_point=0)
    assert every_value(op, output, fixed(op, 64)) is None


def test_left_shifts_are_refused():
    rng = np.random.default_rng(2)
    op, output = convolution(rng, 4, 1, 1, factor=1000.0)
    assert every_value(op, output, fixed(op, 1)) is None
