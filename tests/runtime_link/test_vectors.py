"""The device's C++ against the shared vectors and against the Python side, byte for byte."""

import json
import subprocess
from pathlib import Path
from shutil import which

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agilenn_cc.codec.lzw import LZW, LZW_VARIABLE
from agilenn_cc.codec.raw import CODEC as RAW
from agilenn_cc.ir import combine as reference
from agilenn_cc.resources import templates_dir
from agilenn_cc.serve import protocol

VECTORS = Path(__file__).parents[1] / "vectors"
CODECS = json.loads((VECTORS / "codecs.json").read_text())["cases"]
PROTOCOL = json.loads((VECTORS / "protocol.json").read_text())
RUNTIME = templates_dir() / "firmware" / "Runtime"

BY_NAME = {codec.name: codec for codec in (RAW, LZW, LZW_VARIABLE)}
SIZES = [(2, 2), (4, 30), (5, 24), (6, 64), (8, 1400), (16, 7000), (27, 64), (255, 1428)]


def device_fragments(device, codec, levels, capacity, symbols, run=0, limit=None):
    words = device(
        "encode", f"{codec}/{levels}/{capacity}", limit or capacity, run, symbols.hex() or "-"
    )
    return [(bytes.fromhex(word.split(":")[0]), int(word.split(":")[1])) for word in words]


@pytest.mark.parametrize("case", CODECS, ids=lambda case: case["name"])
@pytest.mark.parametrize("run", [0, 1, 7, 608])
def test_encoder_writes_the_published_bytes(device, case, run):
    symbols = bytes.fromhex(case["symbols"])
    got = device_fragments(device, case["codec"], case["levels"], case["capacity"], symbols, run)
    assert got == [(bytes.fromhex(f["payload"]), f["symbols"]) for f in case["fragments"]]


@st.composite
def symbol_runs(draw):
    """Skewed, repetitive data as quantisers yield it, and plain noise."""
    levels, capacity = draw(st.sampled_from(SIZES))
    count = draw(st.integers(0, 3000))
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    mode = draw(st.sampled_from(["noise", "skewed", "constant", "periodic"]))
    if mode == "noise":
        symbols = random.integers(0, levels, count)
    elif mode == "skewed":
        symbols = np.minimum(random.geometric(0.7, count) - 1, levels - 1)
    elif mode == "constant":
        symbols = np.full(count, random.integers(0, levels))
    else:
        symbols = np.arange(count) // 3 % levels
    return levels, capacity, symbols.astype(np.uint8)


@settings(max_examples=150, deadline=None)
@given(run=symbol_runs(), codec=st.sampled_from(sorted(BY_NAME)), chunk=st.integers(0, 700))
def test_both_sides_cut_and_write_alike(device, run, codec, chunk):
    levels, capacity, symbols = run
    expected = BY_NAME[codec].encode(symbols, levels, capacity)
    got = device_fragments(device, codec, levels, capacity, symbols.tobytes(), chunk)
    assert got == [tuple(fragment) for fragment in expected]


@pytest.mark.parametrize("codec", ["lzw", "lzw-variable"])
def test_both_sides_freeze_a_full_dictionary_alike(device, codec):
    symbols = np.random.default_rng(5).integers(0, 16, 15_000).astype(np.uint8)
    expected = BY_NAME[codec].encode(symbols, 16, 7000)
    assert len(LZW.codes(symbols, 16, 7000)[0]) > 4096
    assert device_fragments(device, codec, 16, 7000, symbols.tobytes(), 608) == expected


@pytest.mark.parametrize("codec", ["raw", "lzw", "lzw-variable"])
def test_a_smaller_capacity_at_run_time(device, codec):
    symbols = np.random.default_rng(6).integers(0, 8, 800).astype(np.uint8)
    expected = BY_NAME[codec].encode(symbols, 8, 100)
    assert device_fragments(device, codec, 8, 1400, symbols.tobytes(), 50, limit=100) == expected


def device_request(device, config, symbols, model, dev, sequence, run=608, accept=0):
    words = device(f"request/{config}", model, dev, sequence, run, accept, symbols.hex() or "-")
    return words[0], words[1:]


@pytest.mark.parametrize(
    ("name", "config"),
    [
        ("request", "lzw/4/30/60/2"),
        ("padded_request", "lzw/4/30/3/200"),
        ("rated_request", "lzw/4/30/60/2/rate-3-of-4"),
    ],
)
def test_writer_builds_the_worked_datagrams(device, name, config):
    vector = PROTOCOL[name]
    status, datagrams = device_request(
        device,
        config,
        bytes.fromhex(vector["symbols"]),
        vector["model_id"],
        vector["device_id"],
        vector["sequence"],
        run=5,
    )
    assert status == "ok"
    assert datagrams == vector["datagrams"]


@pytest.mark.parametrize(
    ("codec", "levels", "capacity", "count", "classes"),
    [
        ("lzw", 8, 1400, 70000, 10),
        ("raw", 5, 24, 1000, 60),
        ("lzw-variable", 6, 64, 500, 10),
        ("lzw", 4, 30, 60, 2),
    ],
)
@pytest.mark.parametrize("constant", [True, False])
def test_writer_equals_pack_request(device, codec, levels, capacity, count, classes, constant):
    symbols = np.zeros(count, np.uint8)
    if not constant:
        symbols = np.random.default_rng(1).integers(0, levels, count).astype(np.uint8)
    status, datagrams = device_request(
        device, f"{codec}/{levels}/{capacity}/{count}/{classes}", symbols.tobytes(), 1, 2, 3
    )
    fragments = BY_NAME[codec].encode(symbols, levels, capacity)
    expected = protocol.pack_request(1, 2, 3, BY_NAME[codec].wire_id, fragments, classes)
    assert status == "ok"
    assert [bytes.fromhex(text) for text in datagrams] == expected
    assert sum(map(len, expected)) >= protocol.answer_bytes(classes)


def test_writer_refuses_wrong_symbol_counts_and_stops_when_abandoned(device):
    few, many = bytes(59), bytes(61)
    assert device_request(device, "lzw/4/30/60/2", few, 1, 2, 3)[0] == "failed"
    assert device_request(device, "lzw/4/30/60/2", many, 1, 2, 3)[0] == "failed"
    noise = np.random.default_rng(2).integers(0, 5, 1000).astype(np.uint8).tobytes()
    status, datagrams = device_request(device, "raw/5/24/1000/60", noise, 1, 2, 3, accept=4)
    assert (status, len(datagrams)) == ("failed", 4)


@pytest.mark.parametrize("case", PROTOCOL["crc"], ids=lambda case: case["ascii"] or "empty")
def test_crc_vectors(device, case):
    assert device("crc", case["ascii"].encode().hex() or "-") == [str(case["crc"])]


ANSWER, REFUSED, FOREIGN, CORRUPT = "0", "1", "2", "3"


def parse(device, data, model=0x12345678, dev=0xA1B2C3D4, sequence=7, classes=2):
    return device("answer", model, dev, sequence, classes, data.hex() or "-")


def test_answer_vector_is_parsed(device):
    vector = PROTOCOL["answer"]
    data = bytes.fromhex(vector["datagram"])
    assert parse(device, data) == [ANSWER, "0", *map(str, vector["logits_q8"])]


@pytest.mark.parametrize(
    "other", [{"sequence": 8}, {"dev": 1}, {"model": 2}], ids=["sequence", "device", "model"]
)
def test_answers_to_others_are_foreign(device, other):
    data = bytes.fromhex(PROTOCOL["answer"]["datagram"])
    assert parse(device, data, **other) == [FOREIGN, "0", "99", "99"]


def test_answer_with_another_class_count_is_corrupt(device):
    data = bytes.fromhex(PROTOCOL["answer"]["datagram"])
    assert parse(device, data, classes=3) == [CORRUPT, "0", "99", "99", "99"]


@pytest.mark.parametrize("case", PROTOCOL["refusals"], ids=lambda case: case["name"])
def test_refusal_vectors_are_parsed(device, case):
    data = bytes.fromhex(case["datagram"])
    assert parse(device, data, model=99) == [REFUSED, str(case["reason"]), "99", "99"]


def test_every_damaged_bit_is_noticed(device):
    data = bytes.fromhex(PROTOCOL["answer"]["datagram"])
    for bit in range(len(data) * 8):
        damaged = bytearray(data)
        damaged[bit // 8] ^= 1 << bit % 8
        assert parse(device, bytes(damaged))[0] == CORRUPT


@settings(max_examples=200, deadline=None)
@given(data=st.binary(max_size=1600))
def test_noise_is_never_an_answer(device, data):
    assert parse(device, data)[0] == CORRUPT


@settings(max_examples=200, deadline=None)
@given(
    alpha=st.integers(0, 32768),
    scale=st.integers(1, 2**31 - 1),
    zero_point=st.integers(-128, 127),
    logits=st.lists(
        st.tuples(st.integers(-128, 127), st.integers(-32768, 32767)), min_size=1, max_size=20
    ),
)
def test_combination_equals_the_reference(device, alpha, scale, zero_point, logits):
    local = np.array([pair[0] for pair in logits], np.int8)
    remote = np.array([pair[1] for pair in logits], np.int16)
    q8 = reference.local_logits_q8(local, scale, zero_point)
    best = int(reference.answer(reference.combine(q8, remote, alpha)))
    got = device("combine", alpha, scale, zero_point, len(logits), *local, *remote)
    scores = [*reference.combine(q8, remote, alpha), *(32768 * int(q) for q in q8)]
    assert list(map(int, got)) == [best, int(np.argmax(local)), *q8, *scores]


def test_combination_by_hand(device):
    # scale 0.5, zero point 2: logits 1.0 and -0.5 are 256 and -128; remote -1.0 and 1.0.
    rule = (8192, 1 << 23, 2, 2)  # alpha 0.25: 0.25 - 0.75 < -0.125 + 0.75
    # In units of 2^-23: -0.5 and 0.625; the local answer alone 1.0 and -0.5.
    scores = [str(round(score * 2**23)) for score in (-0.5, 0.625, 1.0, -0.5)]
    assert device("combine", *rule, 4, 1, -256, 256) == ["1", "0", "256", "-128", *scores]
    equal = (0, 1 << 23, 2, 2)  # a tie goes to the first class
    assert device("combine", *equal, 4, 1, 5, 5)[0] == "0"


@pytest.mark.parametrize("level", ["-O0", "-Og", "-O3"])
@pytest.mark.parametrize("compiler", ["g++", "arm-none-eabi-g++"])
def test_sources_compile_without_a_warning(tmp_path, compiler, level):
    if which(compiler) is None:
        pytest.skip(f"{compiler} is not installed")
    source = tmp_path / "all.cpp"
    source.write_text(
        '#include "agilenn/fragment_writer.hpp"\n#include "agilenn/lzw_encoder.hpp"\n'
        '#include "agilenn/raw_encoder.hpp"\n#include "agilenn/combine.hpp"\n'
        "template class agilenn::FragmentWriter<agilenn::LzwEncoder<8, 1400>, 19456, 10>;\n"
        "template class agilenn::FragmentWriter<agilenn::VariableLzwEncoder<27, 200>, 900, 3>;\n"
        "template class agilenn::FragmentWriter<agilenn::RawEncoder<8, 1400>, 19456, 10>;\n"
    )
    machine = ["-mcpu=cortex-m7", "-mthumb"] if compiler.startswith("arm") else []
    for path in (source, *sorted((RUNTIME / "agilenn").glob("c*.cpp"))):
        if path.name.startswith("console"):
            continue
        subprocess.run(
            [
                compiler,
                *machine,
                "-std=gnu++17",
                "-ffreestanding",
                "-fno-exceptions",
                "-fno-rtti",
                level,
                "-Wall",
                "-Wextra",
                "-Werror",
                f"-I{RUNTIME}",
                "-c",
                path,
                "-o",
                tmp_path / "out.o",
            ],
            check=True,
            timeout=60,
        )
