"""What encoding costs on a Cortex-M7: `context` against `lzw`, with fragment writer and CRC."""

import shutil
import subprocess

import numpy as np
import pytest
from encoding_cost import ENCODERS, PROGRAM, RUNTIME, EncoderOnDevice

from agilenn_cc.codec.context import CONTEXT
from agilenn_cc.emit.codec_tables import emit_codec_tables
from agilenn_cc.serve import protocol

NETWORK_A = (32, 32, 19)
"""Rows, columns, sent channels of the paper's network at 96x96: 19,456 symbols."""

SMALL = (8, 8, 19)


def skewed(random, count, shape):
    """86 % of the symbols are 0, the others uniform: nothing for a context to learn."""
    indices = random.integers(1, 8, (count, *shape))
    return np.where(random.random((count, *shape)) < 0.86, 0, indices).astype(np.uint8)


def blobs(random, count, shape):
    """Sparse maps with soft edges, as a network with ReLU and a quantiser yields them."""
    rows, columns, channels = shape
    noise = random.normal(size=(count, rows + 4, columns + 4, channels))
    soft = sum(noise[:, dy : dy + rows, dx : dx + columns] for dy in range(5) for dx in range(5))
    return np.clip((soft - 5) / 1.5 + 1, 0, 7).astype(np.uint8)


def laplacian(random, count, shape):
    """Half of the symbols are not modal and resemble those beside them: linear features."""
    rows, columns, channels = shape
    noise = random.normal(size=(count, rows + 1, columns + 1, channels))
    near = noise[:, 1:, 1:] + 0.7 * (noise[:, 1:, :-1] + noise[:, :-1, 1:])
    return np.clip(np.round(near * np.abs(near) / 1.6) + 3, 0, 7).astype(np.uint8)


def uniform(random, count, shape):
    """Nothing that any codec could make use of."""
    return random.integers(0, 8, (count, *shape)).astype(np.uint8)


def constant(_random, count, shape):
    return np.full((count, *shape), 3, np.uint8)


@pytest.fixture(scope="module")
def on_device(tmp_path_factory):
    """Encoders by (kind of data, shape): tables of their own, 12 training inferences or more."""
    folder = tmp_path_factory.mktemp("encoders")

    def build(kind, shape):
        train = kind(np.random.default_rng(1), 200 if shape == SMALL else 12, shape)
        tables = CONTEXT.train(train, 8)
        name = f"{kind.__name__}{shape[0]}"
        return tables, {
            codec: EncoderOnDevice(folder / f"{name}-{codec}", codec, tables)
            for codec in ("lzw", "context")
        }

    return build


@pytest.mark.parametrize(
    ("kind", "shape", "most_instructions"),
    [
        (skewed, NETWORK_A, 375_000),
        (blobs, NETWORK_A, 360_000),
        (laplacian, NETWORK_A, 470_000),
        (uniform, NETWORK_A, 490_000),
        (constant, NETWORK_A, 160_000),
        (blobs, SMALL, 27_000),
    ],
    ids=lambda value: getattr(value, "__name__", str(value)),
)
def test_context_costs_no_more_than_lzw(on_device, kind, shape, most_instructions):
    tables, encoders = on_device(kind, shape)
    symbols = kind(np.random.default_rng(2), 2, shape).transpose(0, 1, 3, 2)
    context, lzw = (
        np.mean([encoders[codec].instructions(run) for run in symbols])
        for codec in ("context", "lzw")
    )
    assert context <= lzw
    assert context <= most_instructions
    assert encoders["context"].ram_bytes <= 700
    assert encoders["context"].ram_bytes * 6 < encoders["lzw"].ram_bytes

    # What was counted is the real thing: the emitted tables yield the bytes of the Python side.
    fragments = CONTEXT.encode(symbols[1].reshape(-1), 8, 1400, tables)
    last = protocol.pack_request(1, 2, 3, CONTEXT.wire_id, fragments, 10)[-1]
    assert encoders["context"].last_datagram(len(last)) == last


def test_small_maps_without_a_modal_level_cost_a_hundredth_more_at_most(on_device):
    """The worst input known: most symbols differ, and rows of 8 columns share little work."""
    _tables, encoders = on_device(laplacian, SMALL)
    symbols = laplacian(np.random.default_rng(2), 2, SMALL).transpose(0, 1, 3, 2)
    context, lzw = (
        sum(encoders[codec].instructions(run) for run in symbols) for codec in ("context", "lzw")
    )
    assert context <= 1.01 * lzw


@pytest.mark.parametrize("level", ["-O0", "-Og", "-O3"])
@pytest.mark.parametrize(
    "compiler", ["g++", "arm-none-eabi-g++ -mthumb -mcpu=cortex-m0plus"], ids=["host", "m0plus"]
)
def test_emitted_tables_and_encoder_compile_without_a_warning(tmp_path, compiler, level):
    if shutil.which(compiler.split()[0]) is None:
        pytest.skip(f"{compiler.split()[0]} is not installed")
    indices = np.random.default_rng(3).integers(0, 2, (3, 2, 7, 1)).astype(np.uint8)
    (tmp_path / "codec_tables.hpp").write_bytes(emit_codec_tables(CONTEXT.train(indices, 2)))
    (tmp_path / "main.cpp").write_text(PROGRAM % ENCODERS["context"])
    flags = "-std=gnu++17 -fno-exceptions -fno-rtti -Wall -Wextra -Werror -I. -c main.cpp"
    command = f"{compiler} {level} {flags} -I{RUNTIME}".split()
    subprocess.run(command, cwd=tmp_path, check=True, timeout=60)
