"""The device's context encoder against the Python side, byte for byte."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from context_cases import cases, random_model, random_symbols
from hypothesis import given, settings
from hypothesis import strategies as st

from agilenn_cc.codec import context
from agilenn_cc.codec.context import CONTEXT
from agilenn_cc.serve import protocol
from agilenn_cc.serve.context_model import parse_tables, tables_at

VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "context.json").read_text())["cases"]


def loadable(model):
    """The tables as the driver wants them."""
    parts = []
    for channel in range(model.rates * model.channels):
        symbols = model.symbols[channel]
        ranks = np.empty(model.levels, np.uint8)
        ranks[symbols] = np.arange(model.levels)
        parts += [symbols[:1], ranks, model.classes[channel], model.symbol_map[channel]]
        parts += [model.pattern_map[channel], model.by_symbol[channel : channel + 1]]
    begins = model.symbol_starts.astype("<u4")
    ends = np.concatenate([begins[:, 1:], np.full((len(begins), 1), 4096, "<u4")], axis=1)
    parts += [model.pattern_starts.astype("<u2"), model.rank_starts.astype("<u2")]
    parts += [begins << 16 | (ends - begins)]
    return b"".join(np.ascontiguousarray(part).tobytes() for part in parts)


def device_fragments(device, model, symbols, capacity, rows=1000, rate=0):
    name = f"context/{model.levels}/{model.rows}/{model.columns}/{model.channels}"
    name += f"/rate-{rate}-of-{model.rates}" if model.rates > 1 else ""
    run = min(rows * model.columns, 65_535 // model.columns * model.columns)
    words = device(name, loadable(model).hex(), capacity, run, symbols.tobytes().hex() or "-")
    return [(bytes.fromhex(word.split(":")[0]), int(word.split(":")[1])) for word in words]


@settings(max_examples=80, deadline=None)
@given(case=cases(), capacity=st.integers(12, 200), rows=st.integers(1, 12))
def test_both_sides_cut_and_write_alike(device, case, capacity, rows):
    model, symbols = case
    expected = CONTEXT.encode(symbols, model.levels, capacity, model.to_bytes())
    assert device_fragments(device, model, symbols, capacity, rows) == expected


@pytest.mark.parametrize("case", VECTORS, ids=lambda case: case["name"])
def test_vectors(device, case):
    model = parse_tables(bytes.fromhex(case["tables"]))
    symbols = bytes.fromhex(case["symbols"])
    expected = [(bytes.fromhex(f["payload"]), f["symbols"]) for f in case["fragments"]]
    run = np.frombuffer(symbols, np.uint8)
    assert device_fragments(device, model, run, case["capacity"]) == expected


@pytest.mark.parametrize("rate", [0, 2])
def test_each_rate_has_its_own_lines(device, rate):
    random = np.random.default_rng(12)
    model = replace(random_model(random, 8, 3, 8, 15), channels=5, rates=3)
    symbols = random_symbols(random, model.at(rate), 0.4)
    expected = CONTEXT.encode(symbols, 8, 40, tables_at(model.to_bytes(), rate))
    assert len(expected) > 1
    assert device_fragments(device, model, symbols, 40, rate=rate) == expected
    other = CONTEXT.encode(symbols, 8, 40, tables_at(model.to_bytes(), 1))
    assert other != expected


@pytest.mark.parametrize("share", [0, 1])
def test_long_inferences(device, share, monkeypatch):
    """A fragment of nothing but modal symbols ends at 16 bits of them; noise carries far back."""
    ripples = []
    write = context._RangeEncoder._write

    def watched(coder, size):
        ripples.append(coder._low > 0xFFFFFFFF and coder.bytes[-1] == 0xFF)
        write(coder, size)

    monkeypatch.setattr(context._RangeEncoder, "_write", watched)
    random = np.random.default_rng(8)
    model = random_model(random, 8, 70, 31, 32)
    symbols = random_symbols(random, model, share)
    expected = CONTEXT.encode(symbols, 8, 1400, model.to_bytes())
    assert all(count <= 65_535 for _payload, count in expected)
    assert len(expected) > 1
    assert any(ripples) == (share == 1)
    assert device_fragments(device, model, symbols, 1400) == expected


def test_writer_equals_pack_request(device):
    random = np.random.default_rng(9)
    model = random_model(random, 8, 3, 8, 5)
    symbols = random_symbols(random, model, 1)
    device_fragments(device, model, symbols, 1400)  # loads the tables
    words = device("request/context/8/3/8/5", 1, 2, 3, 40, 0, symbols.tobytes().hex())
    fragments = CONTEXT.encode(symbols, 8, 40, model.to_bytes())
    assert len(fragments) > 1
    assert words[0] == "ok"
    expected = protocol.pack_request(1, 2, 3, CONTEXT.wire_id, fragments, 10)
    assert [bytes.fromhex(word) for word in words[1:]] == expected


def test_writer_gives_up_on_half_a_group(device):
    random = np.random.default_rng(9)
    model = random_model(random, 8, 3, 8, 5)
    symbols = random_symbols(random, model, 1)
    device_fragments(device, model, symbols, 1400)
    assert device("request/context/8/3/8/5", 1, 2, 3, 3, 0, symbols.tobytes().hex())[0] == "failed"
