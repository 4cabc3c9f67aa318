"""The server over real sockets: loss, repeats, reordering, damage, wrong models, floods, noise."""

import random
import socket
import time
import urllib.request
import zlib

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agilenn_cc.serve import Limits, ServeError, Server, ServerOptions, bind, protocol
from agilenn_cc.serve.protocol import RefusalReason


def logits_of(data, sequence=1):
    header, logits = protocol.parse_answer(data)
    assert (header.model_id, header.device_id, header.sequence) == (0x12345678, 7, sequence)
    return logits


def reason_of(data):
    header = protocol.parse(data).header
    assert header.type == protocol.DatagramType.REFUSAL
    assert header.model_id == 0x12345678
    return header.argument


def test_answer_equals_direct_evaluation(serve, request_of, symbols, expected):
    _, connect = serve()
    client = connect()
    datagrams = request_of(symbols)
    assert len(datagrams) > 2
    client.send(*datagrams)
    answer = client.receive()
    assert np.abs(logits_of(answer) - expected(symbols)).max() <= 0.51
    assert len(answer) <= sum(map(len, datagrams))


def test_order_of_arrival_does_not_matter(serve, request_of, symbols, expected):
    server, connect = serve(gap_ms=2000, reorder_ms=2000)
    client = connect()
    for sequence in range(1, 8):
        datagrams = request_of(symbols, sequence)
        random.Random(sequence).shuffle(datagrams)
        client.send(*datagrams)
        got = logits_of(client.receive(), sequence)
        assert np.abs(got - expected(symbols)).max() <= 0.51
    assert server.statistics["answered_partly"] == 0


@pytest.mark.parametrize("lost", [0, 1, -1])
def test_lost_symbols_get_their_channels_modal_level(serve, request_of, symbols, expected, lost):
    server, connect = serve(gap_ms=30, reorder_ms=10)
    client = connect()
    datagrams = request_of(symbols)
    header = protocol.parse(datagrams.pop(lost)).header
    client.send(*datagrams)
    filled = symbols.copy()
    for position in range(header.first_symbol, header.first_symbol + header.symbol_count):
        filled[position] = (0, 2, 3)[position // 5 % 3]
    assert np.abs(logits_of(client.receive()) - expected(filled)).max() <= 0.51
    assert server.statistics["answered_partly"] == 1
    assert server.statistics["filled_symbols"] == header.symbol_count


def test_a_late_fragment_is_ignored(serve, request_of, symbols):
    server, connect = serve(gap_ms=20, reorder_ms=5)
    client = connect()
    first, *others = request_of(symbols)
    client.send(*others)
    client.receive()
    client.send(first)
    assert client.silent()
    assert server.statistics["late"] == 1
    assert server.statistics["answered"] == 1


def test_duplicates_change_nothing_and_a_repeat_gets_the_same_answer(serve, request_of, symbols):
    server, connect = serve(gap_ms=2000, reorder_ms=2000)
    client = connect()
    datagrams = request_of(symbols)
    client.send(datagrams[0], datagrams[0], *datagrams[1:])
    answer = client.receive()
    client.send(*datagrams)
    assert client.receive() == answer
    assert client.silent()
    counts = server.statistics
    assert (counts["answered"], counts["repeated"], counts["batches"]) == (1, 1, 1)


def test_the_same_sequence_with_other_symbols_is_a_new_inference(serve, request_of, expected):
    server, connect = serve()
    client = connect()
    for seed in (2, 3):
        symbols = np.random.default_rng(seed).integers(0, 4, 60).astype(np.uint8)
        client.send(*request_of(symbols))
        assert np.abs(logits_of(client.receive()) - expected(symbols)).max() <= 0.51
    assert server.statistics["restarted"] >= 1


def test_damage_is_dropped_and_counted(serve, request_of, symbols):
    server, connect = serve()
    client = connect()
    [datagram] = request_of(symbols, capacity=1400)
    for bit in range(0, len(datagram) * 8, 7):
        damaged = bytearray(datagram)
        damaged[bit // 8] ^= 1 << bit % 8
        client.send(bytes(damaged))
    client.send(b"", b"AN", bytes(1461))
    assert client.silent()
    counts = server.statistics
    assert counts["corrupt"] == counts["received"] > 0


def repack(data, **changes):
    """Change header fields of a datagram and seal it again."""
    parsed = protocol.parse(data)
    fields = {**parsed.header.__dict__, **changes}
    return protocol.pack(protocol.Header(**fields), parsed.payload)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"model_id": 1}, RefusalReason.UNKNOWN_MODEL),
        ({"version": 2}, RefusalReason.VERSION),
        ({"argument": 0}, RefusalReason.CODEC),
        ({"symbol_count": 61}, RefusalReason.MALFORMED),
        ({"symbol_count": 59}, RefusalReason.MALFORMED),
        ({"first_symbol": 4_000_000_000}, RefusalReason.MALFORMED),
        ({"flags": 3}, RefusalReason.MALFORMED),
        ({"flags": 0}, RefusalReason.MALFORMED),
        ({"fragment_count": 2}, RefusalReason.MALFORMED),
        ({"fragment": 255}, RefusalReason.MALFORMED),
    ],
)
def test_refusals(serve, request_of, symbols, changes, reason):
    server, connect = serve()
    client = connect()
    [datagram] = request_of(symbols, capacity=1400)
    client.send(repack(datagram, **changes))
    refusal = client.receive()
    assert reason_of(refusal) == reason
    assert len(refusal) == 32
    assert server.statistics["answered"] == 0


def test_a_payload_that_does_not_decode_is_refused(serve, request_of, symbols):
    _, connect = serve()
    client = connect()
    [datagram] = request_of(symbols, capacity=1400)
    parsed = protocol.parse(datagram)
    client.send(protocol.pack(parsed.header, b"\xff" + parsed.payload[1:]))
    assert reason_of(client.receive()) == RefusalReason.MALFORMED


def test_answers_sent_to_the_server_get_no_reply(serve, meta):
    server, connect = serve()
    client = connect()
    client.send(protocol.pack_answer(meta.model_id, 7, 1, np.zeros(2, np.int16)))
    assert client.silent()
    assert server.statistics["unexpected"] == 1


def test_many_devices_share_a_batch(serve, request_of, symbols):
    def slow(features):
        time.sleep(0.1)
        return np.zeros((len(features), 2), np.float32)

    server, connect = serve(evaluate=slow)
    clients = [connect() for _ in range(10)]
    for client in clients:
        client.send(*request_of(symbols))
    for client in clients:
        logits_of(client.receive())
    counts = server.statistics
    assert counts["answered"] == 10
    assert counts["batches"] <= 4


def test_a_flood_of_open_requests_is_bounded(serve, request_of, symbols):
    limits = Limits(max_open=16, max_open_per_address=8, max_answered=32)
    server, connect = serve(limits=limits, gap_ms=400)
    flooder, other, honest = connect(), connect(), connect()
    for sequence in range(500):
        flooder.send(request_of(symbols, sequence)[0])
    assert reason_of(flooder.receive()) == RefusalReason.OVERLOADED
    honest.send(*request_of(symbols, 1))
    assert logits_of(honest.receive()).size == 2
    for sequence in range(200):
        other.send(*request_of(symbols, sequence))
        other.receive()
    assert len(server._sessions) <= 16 + 32
    assert server.statistics["refused_overloaded"] > 0


@settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_fuzzed_datagrams_never_stop_it_and_are_never_amplified(fuzzed, data):
    server, client, request_of, symbols = fuzzed
    [datagram] = request_of(symbols, capacity=1400)
    fields = protocol.Header.__dataclass_fields__
    sizes = {"fragment": 8, "fragment_count": 8, "argument": 8, "flags": 8, "type": 8}
    sizes |= {"version": 8, "symbol_count": 16, "payload_bytes": 16}
    names = data.draw(st.lists(st.sampled_from(sorted(fields)), max_size=3, unique=True))
    changes = {
        name: data.draw(
            st.one_of(st.integers(0, 3), st.integers(0, (1 << sizes.get(name, 32)) - 1))
        )
        for name in names
    }
    payload = data.draw(
        st.one_of(st.just(protocol.parse(datagram).payload), st.binary(max_size=80))
    )
    header = protocol.Header(**{**protocol.parse(datagram).header.__dict__, **changes})
    sealed = protocol.pack(header, payload, data.draw(st.integers(0, 3)))
    if "payload_bytes" in changes:  # `pack` writes the true length: forge another one
        forged = sealed[:26] + changes["payload_bytes"].to_bytes(2, "little") + bytes(4)
        crc = zlib.crc32(forged + sealed[32:])
        sealed = forged[:28] + crc.to_bytes(4, "little") + sealed[32:]
    reply = server._reply_to(sealed, client)
    assert reply is None or len(reply) <= len(sealed)
    server._answer(time.monotonic() + 10)
    noise = data.draw(st.binary(max_size=100))
    assert server._reply_to(noise, client) is None


@pytest.fixture
def fuzzed(meta, request_of, symbols):
    options = ServerOptions(host="127.0.0.1", port=0)

    def evaluate(features):
        return np.zeros((len(features), 2), np.float32)

    with (
        Server(meta, evaluate, bind("127.0.0.1", 0), options) as server,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sink,
    ):
        sink.bind(("127.0.0.1", 0))
        yield server, sink.getsockname(), request_of, symbols


def test_once_ends_after_that_many_answers(serve, request_of, symbols):
    server, connect = serve(once=2)
    client = connect()
    for sequence in (1, 2):
        client.send(*request_of(symbols, sequence))
        client.receive()
    client.send(*request_of(symbols, 3))
    assert client.silent()
    assert server.statistics["answered"] == 2


def test_metrics_are_served_as_prometheus_text(serve, request_of, symbols):
    server, connect = serve(metrics_port=0)
    client = connect()
    client.send(*request_of(symbols))
    client.receive()
    url = f"http://127.0.0.1:{server.metrics_port}/metrics"
    with urllib.request.urlopen(url, timeout=5) as response:
        lines = response.read().decode().splitlines()
    assert "agilenn_server_answered_total 1" in lines
    assert "# TYPE agilenn_server_corrupt_total counter" in lines


def test_a_port_in_use_says_so():
    with bind("127.0.0.1", 0) as taken, pytest.raises(ServeError) as caught:
        bind("127.0.0.1", taken.getsockname()[1])
    assert "in use" in caught.value.message
    assert "--port" in caught.value.hint


@pytest.mark.parametrize("host", ["192.0.2.1", "no such host", "a" * 70])
def test_an_address_of_nobody_says_so(host):
    with pytest.raises(ServeError, match="not an address of this machine"):
        bind(host, 0)
