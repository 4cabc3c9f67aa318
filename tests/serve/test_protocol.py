"""The Python side against the shared datagram vectors, and the page that explains them."""

import json
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agilenn_cc.codec.lzw import LZW
from agilenn_cc.ir.combine import remote_logits_q8
from agilenn_cc.serve import ProtocolError, protocol

ROOT = Path(__file__).parents[2]
VECTORS = json.loads((ROOT / "tests/vectors/protocol.json").read_text())


@pytest.mark.parametrize("name", ["request", "padded_request", "rated_request"])
def test_requests(name):
    vector = VECTORS[name]
    symbols = np.frombuffer(bytes.fromhex(vector["symbols"]), np.uint8)
    fragments = LZW.encode(symbols, vector["levels"], vector["capacity"])
    datagrams = protocol.pack_request(
        vector["model_id"],
        vector["device_id"],
        vector["sequence"],
        LZW.wire_id,
        fragments,
        vector["classes"],
        vector.get("rate", 0),
    )
    assert [datagram.hex() for datagram in datagrams] == vector["datagrams"]
    for datagram in datagrams:
        protocol.check_request(protocol.parse(datagram), datagram, symbols.size)


def test_answer():
    vector = VECTORS["answer"]
    ids = vector["model_id"], vector["device_id"], vector["sequence"]
    data = bytes.fromhex(vector["datagram"])
    assert protocol.pack_answer(*ids, np.array(vector["logits_q8"], np.int16)) == data
    header, logits = protocol.parse_answer(data)
    assert (header.model_id, header.device_id, header.sequence) == ids
    assert logits.tolist() == vector["logits_q8"]


@pytest.mark.parametrize("vector", VECTORS["refusals"], ids=lambda vector: vector["name"])
def test_refusals(vector):
    request = protocol.Header(1, 99, vector["device_id"], vector["sequence"])
    data = protocol.pack_refusal(
        vector["model_id"], request, protocol.RefusalReason(vector["reason"])
    )
    assert data.hex() == vector["datagram"]
    with pytest.raises(ProtocolError):
        protocol.parse_answer(data)


def test_crc_vectors():
    assert [zlib.crc32(case["ascii"].encode()) for case in VECTORS["crc"]] == [
        case["crc"] for case in VECTORS["crc"]
    ]


def test_the_page_shows_the_vectors():
    page = (ROOT / "docs/protocol.md").read_text()
    shown = [*VECTORS["request"]["datagrams"], VECTORS["answer"]["datagram"]]
    for text in [*shown, VECTORS["refusals"][0]["datagram"]]:
        data = bytes.fromhex(text)
        rows = [f"{i:04x}  {data[i : i + 16].hex(' ')}" for i in range(0, len(data), 16)]
        assert "\n".join(rows) in page


def test_logits_are_rounded_and_saturated_as_the_reference_has_it():
    logits = np.array([[0.0, 1 / 256, 0.5 / 256, 1.5 / 256, -0.5 / 256, 1e9, -1e9]], np.float32)
    assert protocol.quantise_logits(logits).tolist() == [[0, 1, 0, 2, 0, 32767, -32768]]
    noise = np.random.default_rng(0).normal(scale=40, size=(500, 10)).astype(np.float32)
    assert np.array_equal(protocol.quantise_logits(noise), remote_logits_q8(noise))
    assert protocol.quantise_logits(np.array([np.nan], np.float32)).tolist() == [0]


@given(st.binary(max_size=1600))
def test_noise_is_never_parsed(data):
    with pytest.raises(ProtocolError):
        protocol.parse(data)
