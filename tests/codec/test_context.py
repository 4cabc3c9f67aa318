"""The `context` codec: round trips, ideal code length, hostile payloads, training."""

import json
import math
import time
from pathlib import Path

import numpy as np
import pytest
from context_cases import cases, random_model, random_symbols
from hypothesis import given, settings
from hypothesis import strategies as st

from agilenn_cc.codec import Codec, get_codec
from agilenn_cc.codec.context import CONTEXT
from agilenn_cc.codec.lzw import LZW
from agilenn_cc.serve import DecodeError, ServerMeta, load_module
from agilenn_cc.serve.context_model import parse_tables, tables_at
from agilenn_cc.serve.decoders import fragment_decoder
from agilenn_cc.serve.metadata import to_json

VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "context.json").read_text())["cases"]
LARGE = 1 << 20


def decoded(fragments, model):
    """Decode fragments, the last one first: none may need another."""
    starts = np.cumsum([0] + [count for _payload, count in fragments])
    parts = [
        CONTEXT.decode(payload, count, model.levels, int(start), model.to_bytes())
        for (payload, count), start in reversed(list(zip(fragments, starts, strict=False)))
    ]
    return np.concatenate(parts[::-1])


@settings(max_examples=200, deadline=None)
@given(case=cases(), capacity=st.integers(12, 300))
def test_round_trip_within_capacity(case, capacity):
    model, symbols = case
    fragments = CONTEXT.encode(symbols, model.levels, capacity, model.to_bytes())
    assert all(0 < len(payload) <= capacity and count > 0 for payload, count in fragments)
    assert decoded(fragments, model).tolist() == symbols.tolist()


@pytest.mark.parametrize("case", VECTORS, ids=lambda case: case["name"])
def test_vectors_both_ways(case):
    tables = bytes.fromhex(case["tables"])
    model = parse_tables(tables)
    symbols = np.frombuffer(bytes.fromhex(case["symbols"]), np.uint8)
    fragments = [(bytes.fromhex(f["payload"]), f["symbols"]) for f in case["fragments"]]
    assert CONTEXT.encode(symbols, model.levels, case["capacity"], tables) == fragments
    assert decoded(fragments, model).tolist() == symbols.tolist()


def ideal_bits(model, symbols):
    """The code length of one inference in one fragment, by the definitions of docs/codecs.md."""

    def share(starts, event):
        """Event 0 lies behind all others."""
        ends = [*starts.tolist(), 16384]
        first, last = (ends[event - 1], ends[event]) if event else ends[-2:]
        return (last - first) / 16384

    def zone(place, count):
        return 0 if place == 0 else 2 if place == count - 1 else 1

    order = model.symbols.tolist()
    planes = symbols.reshape(model.rows, model.channels, model.columns)
    groups = math.ceil(model.columns / 4)
    bits = 0.0

    def inside(y, x):
        return y >= 0 and 0 <= x < model.columns

    def rank(y, c, x):
        return order[c].index(planes[y, c, x]) if inside(y, x) else 0

    def row(y, c, x):
        """Of the distribution of a symbol or rank."""
        left, above = (
            int(model.classes[c, planes[v, c, u]]) if inside(v, u) else 0
            for v, u in ((y, x - 1), (y - 1, x))
        )
        return model.symbol_map[c, 8 * left + above]

    for y in range(model.rows):
        for c in range(model.channels):
            if model.by_symbol[c]:
                for x in range(model.columns):
                    ends = [*model.symbol_starts[row(y, c, x)].tolist(), 4096]
                    event = rank(y, c, x)
                    bits -= math.log2((ends[event + 1] - ends[event]) / 4096)
                continue
            for group in range(groups):
                columns = range(4 * group, min(4 * group + 4, model.columns))
                pattern = sum((rank(y, c, x) > 0) << x % 4 for x in columns)
                above = sum((rank(y - 1, c, x) > 0) << x % 4 for x in columns)
                left = rank(y, c, 4 * group - 1) > 0
                place = zone(y, model.rows), zone(group, groups)
                chosen = model.pattern_map[c][place][2 * above + left]
                bits -= math.log2(share(model.pattern_starts[chosen], pattern))
                for x in columns:
                    if rank(y, c, x) and model.levels > 2:
                        ranks = model.rank_starts[row(y, c, x)]
                        bits -= math.log2(share(ranks, rank(y, c, x) - 1))
    return bits


@settings(max_examples=60, deadline=None)
@given(case=cases())
def test_code_length_is_ideal_but_for_two_per_cent_and_two_bytes(case):
    model, symbols = case
    [(payload, _count)] = CONTEXT.encode(symbols, model.levels, LARGE, model.to_bytes())
    ideal = ideal_bits(model, symbols) / 8
    assert len(payload) <= ideal * 1.02 + 2


def test_worst_symbols_stay_within_ten_bytes_a_group():
    random = np.random.default_rng(3)
    model = random_model(random, 8, 8, 8, 5, sharpness=60)  # nearly all events are rarest
    symbols = random_symbols(random, model, 1)
    for capacity in (12, 22, 32, 100):
        fragments = CONTEXT.encode(symbols, 8, capacity, model.to_bytes())
        least = 4 * ((capacity - 2) // 10)
        assert all(len(payload) <= capacity for payload, _count in fragments)
        assert all(count >= least for _payload, count in fragments[:-1])


@settings(max_examples=300, deadline=None)
@given(case=cases(), data=st.binary(max_size=60))
def test_noise_is_refused_or_is_what_an_encoder_writes(case, data):
    model, symbols = case
    try:
        noise = CONTEXT.decode(data, symbols.size, model.levels, 0, model.to_bytes())
    except DecodeError:
        return
    [(payload, _count)] = CONTEXT.encode(noise, model.levels, LARGE, model.to_bytes())
    assert payload == data


@settings(max_examples=200, deadline=None)
@given(case=cases(), data=st.data())
def test_damaged_payloads_are_refused_or_are_those_of_other_symbols(case, data):
    model, symbols = case
    tables = model.to_bytes()
    [(payload, count)] = CONTEXT.encode(symbols, model.levels, LARGE, tables)
    position = data.draw(st.integers(0, len(payload) - 1))
    flipped = bytearray(payload)
    flipped[position] ^= data.draw(st.integers(1, 255))
    # A byte behind the end may move the coded value past its interval, to other symbols.
    for damaged in (payload[:position], bytes(flipped), payload + b"\x55"):
        try:
            other = CONTEXT.decode(damaged, count, model.levels, 0, tables)
        except DecodeError:
            continue
        assert other.tolist() != symbols.tolist()
        assert CONTEXT.encode(other, model.levels, LARGE, tables) == [(damaged, count)]
    # A zero byte does not change the value, so nothing but the length is wrong.
    with pytest.raises(DecodeError):
        CONTEXT.decode(payload + b"\0", count, model.levels, 0, tables)


def test_most_cuts_are_noticed_without_the_crc():
    random = np.random.default_rng(4)
    model = random_model(random, 8, 8, 8, 5)
    symbols = random_symbols(random, model, 0.5)
    [(payload, count)] = CONTEXT.encode(symbols, 8, LARGE, model.to_bytes())
    refused = 0
    for size in range(len(payload)):
        try:
            CONTEXT.decode(payload[:size], count, 8, 0, model.to_bytes())
        except DecodeError:
            refused += 1
    assert refused >= 0.9 * len(payload)


@pytest.mark.parametrize(
    ("payload", "count", "first", "what"),
    [
        (b"\x00", 4, 2, "begins within a group"),
        (b"\x00", 3, 0, "ends within a group"),
        (b"\x00", 4, 120, "begins behind the inference"),
        (b"\x00", 8, 116, "ends behind the inference"),
        (b"", 4, 0, "nothing to decode"),
        (b"\x00", 0, 0, "no symbols"),
    ],
)
def test_fragments_that_no_encoder_cuts_are_refused(payload, count, first, what):
    model = random_model(np.random.default_rng(5), 8, 3, 8, 5)
    with pytest.raises(DecodeError):
        CONTEXT.decode(payload, count, 8, first, model.to_bytes())


def test_decoding_is_bounded_in_time():
    model = random_model(np.random.default_rng(6), 8, 70, 31, 32)
    began = time.perf_counter()
    for payload in (bytes(1400), b"\xff" * 1400, b"\xa5" * 1400):
        with pytest.raises(DecodeError):
            CONTEXT.decode(payload, 65_534, 8, 0, model.to_bytes())
    assert time.perf_counter() - began < 5


def blobs(random, count, rows, columns, channels):
    """Sparse maps with soft edges, as a network with ReLU and a quantiser yields them."""
    noise = random.normal(size=(count, rows + 4, columns + 4, channels))
    soft = sum(noise[:, dy : dy + rows, dx : dx + columns] for dy in range(5) for dx in range(5))
    return np.clip((soft - 5) / 1.5 + 1, 0, 7).astype(np.uint8)


def test_training_finds_what_lzw_does_not():
    indices = blobs(np.random.default_rng(7), 400, 8, 8, 19)
    tables = CONTEXT.train(indices[:300], 8)
    held_out = indices[300:].transpose(0, 1, 3, 2).reshape(100, -1)
    context, lzw = (
        sum(len(payload) for run in held_out for payload, _ in codec.encode(run, 8, 1400, extra))
        for codec, extra in ((CONTEXT, tables), (LZW, b""))
    )
    assert context * 2.5 < lzw


def test_training_is_reproducible_and_independent_of_memory_layout():
    indices = blobs(np.random.default_rng(8), 40, 5, 6, 3)
    tables = CONTEXT.train(indices, 8)
    assert CONTEXT.train(np.asfortranarray(indices), 8) == tables
    model = parse_tables(tables)
    assert model.to_bytes() == tables
    assert (model.rows, model.columns, model.channels, model.levels) == (5, 6, 3, 8)


def test_rank_zero_is_the_most_frequent_symbol():
    indices = np.zeros((3, 2, 2, 2), np.uint8)
    indices[..., 1] = 5
    indices[0, 0, 0] = 3
    model = parse_tables(CONTEXT.train(indices, 8))
    assert model.symbols[:, :2].tolist() == [[0, 3], [5, 3]]


def test_nothing_to_tell_takes_next_to_no_bytes():
    indices = np.full((20, 32, 32, 19), 4, np.uint8)
    tables = CONTEXT.train(indices, 8)
    [(payload, count)] = CONTEXT.encode(indices[0].reshape(-1), 8, 1400, tables)
    assert (len(payload) <= 3, count) == (True, 19_456)


@settings(max_examples=60, deadline=None)
@given(
    shape=st.tuples(st.integers(1, 4), *[st.integers(1, 9)] * 3),
    levels=st.integers(2, 40),
    seed=st.integers(0, 99),
)
def test_any_indices_can_be_trained_on_and_others_coded(shape, levels, seed):
    random = np.random.default_rng(seed)
    tables = CONTEXT.train(random.integers(0, levels, shape).astype(np.uint8), levels)
    other = random.integers(0, levels, shape[1:]).astype(np.uint8).transpose(0, 2, 1).reshape(-1)
    fragments = CONTEXT.encode(other, levels, 50, tables)
    assert decoded(fragments, parse_tables(tables)).tolist() == other.tolist()


def test_damaged_tables_are_told():
    tables = random_model(np.random.default_rng(9), 8, 3, 8, 5).to_bytes()
    for damaged in (
        b"",
        tables[:-1],
        tables + b"\0",
        b"X" + tables[1:],
        tables[:15] + b"\x09" * 20,
    ):
        with pytest.raises(ValueError, match="tables"):
            parse_tables(damaged)
    frequency = bytearray(tables)
    frequency[-2:] = b"\xff\xff"
    with pytest.raises(ValueError, match="frequency"):
        parse_tables(bytes(frequency))


def test_bad_arguments():
    model = random_model(np.random.default_rng(9), 8, 3, 8, 5)
    tables = model.to_bytes()
    with pytest.raises(ValueError, match="levels"):
        CONTEXT.encode(np.zeros(120, np.uint8), 7, 100, tables)
    with pytest.raises(ValueError, match="not rows"):
        CONTEXT.encode(np.zeros(7, np.uint8), 8, 100, tables)
    with pytest.raises(ValueError, match="not rows"):
        CONTEXT.encode(np.zeros(128, np.uint8), 8, 100, tables)
    with pytest.raises(ValueError, match="not below"):
        CONTEXT.encode(np.full(120, 8, np.uint8), 8, 100, tables)
    with pytest.raises(ValueError, match="holds no symbol"):
        CONTEXT.encode(np.zeros(120, np.uint8), 8, 11, tables)
    with pytest.raises(ValueError, match="too short"):
        CONTEXT.encode(np.zeros(120, np.uint8), 8, 100)
    with pytest.raises(ValueError, match="indices"):
        CONTEXT.train(np.zeros((0, 3, 3, 1), np.uint8), 8)
    with pytest.raises(ValueError, match="levels"):
        CONTEXT.train(np.full((1, 3, 3, 1), 8, np.uint8), 8)


def test_rates_are_coded_by_what_each_of_them_does():
    random = np.random.default_rng(3)
    fine = random.integers(0, 8, (300, 4, 4, 3)).astype(np.uint8)
    coarse = np.where(random.random(fine.shape) < 0.9, 3, fine).astype(np.uint8)
    both = CONTEXT.train(np.concatenate([fine, coarse], axis=-1), 8, 2)
    shared = CONTEXT.train(np.concatenate([fine, coarse]), 8)
    assert tables_at(shared, 1) == shared, "tables of one rate stand for all"
    assert tables_at(b"", 1) == b""
    for rate, indices in enumerate((fine, coarse)):
        tables = tables_at(both, rate)
        sizes = {}
        for name, used in (("own", tables), ("shared", shared)):
            runs = indices.transpose(0, 1, 3, 2).reshape(len(indices), -1)
            parts = [CONTEXT.encode(run, 8, 1400, used) for run in runs]
            sizes[name] = sum(len(part.payload) for (part,) in parts)
            for run, (part,) in zip(runs, parts, strict=True):
                found = CONTEXT.decode(part.payload, part.symbol_count, 8, tables=used)
                np.testing.assert_array_equal(found, run)
        assert sizes["own"] < sizes["shared"]
    with pytest.raises(ValueError, match="2 rates"):
        CONTEXT.encode(fine[0].reshape(-1), 8, 1400, both)
    with pytest.raises(ValueError, match="no rate 2"):
        tables_at(both, 2)
    with pytest.raises(ValueError, match="2 rates"):
        CONTEXT.train(fine, 8, 2)


def server_meta(tables, **changes):
    values = {
        "name": "tiny",
        "model_id": 1,
        "rows": 3,
        "columns": 8,
        "channels": 5,
        "levels": tuple(map(float, range(8))),
        "modal_levels": (0,) * 5,
        "classes": ("a", "b"),
        "codec": "context",
        "codec_tables": tables,
    }
    return ServerMeta(**(values | changes))


def test_a_server_has_its_tables_in_its_metadata(tmp_path):
    model = random_model(np.random.default_rng(10), 8, 3, 8, 5)
    meta = server_meta(model.to_bytes())
    (tmp_path / "remote_net.pb").write_bytes(b"net")
    (tmp_path / "metadata.json").write_bytes(to_json(meta, b"net"))
    loaded, _graph = load_module(tmp_path)
    assert loaded == meta
    symbols = random_symbols(np.random.default_rng(11), model, 0.4)
    decode = fragment_decoder(loaded.codec_id, 8, loaded.codec_tables)
    first = 0
    for payload, count in CONTEXT.encode(symbols, 8, 20, model.to_bytes()):
        assert decode(payload, count, first).tolist() == symbols[first : first + count].tolist()
        first += count


def test_a_server_refuses_tables_of_another_network():
    tables = random_model(np.random.default_rng(10), 8, 3, 8, 5).to_bytes()
    for other, message in (
        ({"rows": 4}, "another shape"),
        ({"levels": (0.0, 1.0), "modal_levels": (0,) * 5}, "another codebook"),
        ({"codec_tables": b""}, "too short"),
        ({"codec": "lzw"}, "no tables"),
    ):
        with pytest.raises(ValueError, match=message):
            server_meta(tables, **{"codec_tables": tables} | other)


def test_the_registry_has_it():
    codec = get_codec("context")
    assert isinstance(codec, Codec)
    assert (codec.name, codec.wire_id) == ("context", 3)
