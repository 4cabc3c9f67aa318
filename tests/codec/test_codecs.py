"""Codecs: published vectors, round trips, hostile payloads, the registry."""

import json
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agilenn_cc.codec import Codec, get_codec, list_codecs
from agilenn_cc.codec.lzw import LZW, LZW_VARIABLE
from agilenn_cc.codec.raw import CODEC as RAW
from agilenn_cc.errors import AgilennError, ExitCode
from agilenn_cc.serve import DecodeError

CODECS = (RAW, LZW, LZW_VARIABLE)
BY_NAME = {codec.name: codec for codec in CODECS}
VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "codecs.json").read_text())["cases"]


@pytest.mark.parametrize("case", VECTORS, ids=lambda case: case["name"])
def test_vectors_both_ways(case):
    codec, levels = BY_NAME[case["codec"]], case["levels"]
    symbols = np.frombuffer(bytes.fromhex(case["symbols"]), np.uint8)
    fragments = [(bytes.fromhex(f["payload"]), f["symbols"]) for f in case["fragments"]]
    assert codec.encode(symbols, levels, case["capacity"]) == fragments
    if "codes" in case:
        assert codec.codes(symbols, levels, case["capacity"]) == [case["codes"]]
    decoded = [codec.decode(payload, count, levels) for payload, count in fragments]
    assert np.concatenate(decoded).tolist() == symbols.tolist()


def test_the_string_that_is_used_before_it_is_known():
    # "aaa": code 0, then code 2 = "aa", which the decoder learns only from that code.
    assert LZW.codes(np.zeros(3, np.uint8), 2, 10) == [[0, 2]]
    assert LZW.decode(bytes.fromhex("000002"), 3, 2).tolist() == [0, 0, 0]


@st.composite
def symbol_runs(draw):
    levels = draw(st.integers(2, 255))
    count = draw(st.integers(0, 2500))
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    spread = draw(st.sampled_from([1, 2, levels]))
    symbols = random.integers(0, min(spread, levels), count)
    return levels, symbols.astype(np.uint8)


@settings(max_examples=150, deadline=None)
@given(run=symbol_runs(), codec=st.sampled_from(CODECS), capacity=st.integers(2, 1428))
def test_round_trip_within_capacity(run, codec, capacity):
    levels, symbols = run
    fragments = codec.encode(symbols, levels, capacity)
    assert all(len(payload) <= capacity and count > 0 for payload, count in fragments)
    decoded = [codec.decode(payload, count, levels) for payload, count in fragments]
    assert b"".join(part.tobytes() for part in decoded) == symbols.tobytes()


@pytest.mark.parametrize("codec", CODECS)
def test_a_fragment_is_as_full_as_it_can_be(codec):
    symbols = np.random.default_rng(4).integers(0, 8, 3000).astype(np.uint8)
    (_, count), *_ = codec.encode(symbols, 8, 200)
    assert len(codec.encode(symbols[:count], 8, 200)) == 1
    assert len(codec.encode(symbols[: count + 1], 8, 200)) == 2


@pytest.mark.parametrize("codec", [LZW, LZW_VARIABLE])
def test_the_dictionary_freezes_at_4096_codes(codec):
    symbols = np.random.default_rng(5).integers(0, 16, 30_000).astype(np.uint8)
    [(payload, count)] = codec.encode(symbols, 16, 1 << 20)
    codes = codec.codes(symbols, 16, 1 << 20)[0]
    assert len(codes) > 5000
    assert max(codes) <= 4095
    assert codec.decode(payload, count, 16).tobytes() == symbols.tobytes()


@pytest.mark.parametrize("codec", CODECS)
def test_no_fragment_counts_more_than_16_bits(codec):
    fragments = codec.encode(np.zeros(70_000, np.uint8), 8, 1 << 20)
    assert [count for _, count in fragments] == [65_535, 4_465]


def test_the_size_of_fixed_codes_is_twelve_bits_each():
    symbols = np.random.default_rng(6).integers(0, 8, 900).astype(np.uint8)
    [(payload, _)] = LZW.encode(symbols, 8, 1400)
    assert len(payload) == -(-12 * len(LZW.codes(symbols, 8, 1400)[0]) // 8)


@settings(max_examples=400, deadline=None)
@given(
    payload=st.binary(max_size=200),
    count=st.integers(0, 70_000),
    levels=st.integers(2, 255),
    codec=st.sampled_from(CODECS),
)
def test_noise_is_refused_or_yields_exactly_the_count(payload, count, levels, codec):
    try:
        symbols = codec.decode(payload, count, levels)
    except DecodeError:
        return
    assert symbols.dtype == np.uint8
    assert symbols.size == count
    assert not count or symbols.max() < levels


@settings(max_examples=200, deadline=None)
@given(run=symbol_runs(), codec=st.sampled_from(CODECS), data=st.data())
def test_truncated_payloads_are_refused(run, codec, data):
    levels, symbols = run
    for payload, count in codec.encode(symbols, levels, 300)[:1]:
        cut = data.draw(st.integers(0, len(payload) - 1))
        with pytest.raises(DecodeError):
            codec.decode(payload[:cut], count, levels)
        with pytest.raises(DecodeError):
            codec.decode(payload + b"\0", count, levels)


@pytest.mark.parametrize(
    ("codec", "payload", "count", "what"),
    [
        (LZW, "0ff000", 2, "undefined first code"),
        (LZW, "000003", 2, "a code two ahead of the dictionary"),
        (LZW, "000002", 2, "more symbols than announced"),
        (LZW, "000001", 1, "codes behind the last symbol"),
        (LZW, "0001", 1, "padding that is not zero"),
        (LZW, "00", 1, "half a code"),
        (RAW, "81", 1, "padding that is not zero"),
        (LZW_VARIABLE, "ff", 1, "undefined first code"),
    ],
)
def test_what_no_encoder_writes_is_refused(codec, payload, count, what):
    with pytest.raises(DecodeError):
        codec.decode(bytes.fromhex(payload), count, 2)


def test_raw_symbols_above_the_levels_are_refused():
    with pytest.raises(DecodeError):
        RAW.decode(bytes.fromhex("e0"), 1, 5)


def test_a_long_expansion_stays_bounded_in_time():
    symbols = np.zeros(65_535, np.uint8)
    [(payload, count)] = LZW.encode(symbols, 2, 1428)
    start = time.perf_counter()
    assert LZW.decode(payload, count, 2).size == count
    assert time.perf_counter() - start < 1


@pytest.mark.parametrize("codec", CODECS)
def test_bad_arguments(codec):
    with pytest.raises(ValueError, match="levels"):
        codec.encode(np.zeros(1, np.uint8), 1, 10)
    with pytest.raises(ValueError, match="not below"):
        codec.encode(np.full(1, 3, np.uint8), 3, 10)
    with pytest.raises(ValueError, match="uint8"):
        codec.encode(np.zeros(1, np.int64), 3, 10)
    with pytest.raises(ValueError, match="holds no symbol"):
        codec.encode(np.zeros(1, np.uint8), 3, 0)


def test_registry_knows_the_built_in_codecs():
    assert set(list_codecs()) >= {"raw", "lzw", "lzw-variable"}
    for name in ("raw", "lzw", "lzw-variable"):
        codec = get_codec(name)
        assert isinstance(codec, Codec)
        assert codec.name == name
    assert [get_codec(n).wire_id for n in ("raw", "lzw", "lzw-variable")] == [0, 1, 2]


def test_an_unknown_codec_names_the_nearest():
    with pytest.raises(AgilennError) as caught:
        get_codec("lwz")
    assert caught.value.exit_code == ExitCode.SPEC
    assert "lzw" in caught.value.diagnostics[0].hint
