"""Several rates: each request is read with the codebook and the modal levels of its own rate."""

import numpy as np
import pytest

from agilenn_cc.serve import ServerMeta, protocol
from agilenn_cc.serve.metadata import Rate, load_module, to_json
from agilenn_cc.serve.protocol import RefusalReason

COARSE = Rate((0.0, 1.0, 2.0, 4.0), (1, 0, 2))


@pytest.fixture
def meta(meta):
    return ServerMeta(**{**meta.__dict__, "coarser": (COARSE,)})


@pytest.fixture
def at_rate():
    """Set the rate of datagrams, whatever packed them."""

    def change(datagrams, rate):
        parts = []
        for data in datagrams:
            datagram = protocol.parse(data)
            fields = {**datagram.header.__dict__, "flags": datagram.header.flags | rate << 4}
            padding = datagram.size - protocol.HEADER_BYTES - len(datagram.payload)
            parts.append(protocol.pack(protocol.Header(**fields), datagram.payload, padding))
        return parts

    return change


def logits_of(client):
    return protocol.parse_answer(client.receive())[1]


def test_a_coarser_rate_has_levels_twice_as_large(serve, request_of, symbols, expected, at_rate):
    _, connect = serve()
    client = connect()
    client.send(*at_rate(request_of(symbols), 1))
    assert np.abs(logits_of(client) - 2 * expected(symbols)).max() <= 0.51


def test_rates_may_change_from_request_to_request(serve, request_of, symbols, expected, at_rate):
    _, connect = serve(gap_ms=2000, reorder_ms=2000)
    client = connect()
    for sequence, rate in enumerate((0, 1, 1, 0), start=1):
        client.send(*at_rate(request_of(symbols, sequence), rate))
        assert np.abs(logits_of(client) - (1 + rate) * expected(symbols)).max() <= 0.51


def test_lost_symbols_get_the_modal_level_of_the_rate(
    serve, request_of, symbols, expected, at_rate
):
    _, connect = serve(gap_ms=30, reorder_ms=10)
    client = connect()
    datagrams = at_rate(request_of(symbols), 1)
    header = protocol.parse(datagrams.pop(1)).header
    client.send(*datagrams)
    filled = symbols.copy()
    for position in range(header.first_symbol, header.first_symbol + header.symbol_count):
        filled[position] = COARSE.modal_levels[position // 5 % 3]
    assert np.abs(logits_of(client) - 2 * expected(filled)).max() <= 0.51


def test_an_unknown_rate_is_refused(serve, request_of, symbols, at_rate):
    server, connect = serve()
    client = connect()
    client.send(at_rate(request_of(symbols), 2)[0])
    assert protocol.parse(client.receive()).header.argument == RefusalReason.RATE
    assert server.statistics["refused_rate"] == 1


@pytest.mark.parametrize("bit", [1, 2, 3])
def test_flags_between_last_and_rate_are_refused(serve, request_of, symbols, bit):
    _, connect = serve()
    client = connect()
    datagram = protocol.parse(request_of(symbols)[0])
    fields = {**datagram.header.__dict__, "flags": 1 << bit}
    client.send(protocol.pack(protocol.Header(**fields), datagram.payload))
    assert protocol.parse(client.receive()).header.argument == RefusalReason.MALFORMED


def test_a_fragment_of_another_rate_begins_anew(serve, request_of, symbols, expected, at_rate):
    server, connect = serve(gap_ms=2000, reorder_ms=2000)
    client = connect()
    datagrams = request_of(symbols)
    client.send(datagrams[0], *at_rate(datagrams, 1))
    assert np.abs(logits_of(client) - 2 * expected(symbols)).max() <= 0.51
    assert server.statistics["restarted"] == 1


def test_a_batch_may_mix_rates(meta, symbols):
    both = meta.features(np.stack([symbols, symbols]), np.array([0, 1]))
    assert (both[1] == 2 * both[0]).all()
    assert (both[0] == meta.features(symbols[None])[0]).all()


def test_rates_are_stored_with_the_module(meta, tmp_path):
    (tmp_path / "metadata.json").write_bytes(to_json(meta, b"graph"))
    (tmp_path / "remote_net.pb").write_bytes(b"graph")
    assert load_module(tmp_path)[0] == meta


@pytest.mark.parametrize(
    "wrong",
    [
        Rate((0.0, 1.0, 2.0), (0, 0, 0)),
        Rate((0.0, 2.0, 1.0, 4.0), (0, 0, 0)),
        Rate((0.0, 1.0, 2.0, 4.0), (0, 0)),
        Rate((0.0, 1.0, 2.0, 4.0), (0, 0, 4)),
        Rate((0.0, 1.0, 2.0, float("inf")), (0, 0, 0)),
    ],
)
def test_rates_that_do_not_fit_are_refused(meta, wrong):
    with pytest.raises(ValueError, match="level"):
        ServerMeta(**{**meta.__dict__, "coarser": (wrong,)})
