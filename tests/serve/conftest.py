"""A small network without TensorFlow, a running server, and a client socket."""

import socket
import threading

import numpy as np
import pytest

from agilenn_cc.codec.lzw import LZW
from agilenn_cc.serve import Server, ServerMeta, ServerOptions, bind, protocol

WEIGHTS = np.random.default_rng(0).normal(size=(60, 2)).astype(np.float32)


def linear(features):
    """Logits of float32 [N, 4, 5, 3] features, one sample at a time: no effect of the batch."""
    return np.stack([sample.reshape(60) @ WEIGHTS for sample in features])


@pytest.fixture
def meta():
    return ServerMeta(
        name="tiny",
        model_id=0x12345678,
        rows=4,
        columns=5,
        channels=3,
        levels=(0.0, 0.5, 1.0, 2.0),
        modal_levels=(0, 2, 3),
        classes=("left", "right"),
        codec="lzw",
        port=0,
    )


class Client:
    """A device: sends datagrams to the server, receives what it says."""

    def __init__(self, address):
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.connect(address)
        self.socket.settimeout(5)

    def send(self, *datagrams):
        for datagram in datagrams:
            self.socket.send(datagram)

    def receive(self):
        return self.socket.recv(2000)

    def silent(self, seconds=0.15):
        self.socket.settimeout(seconds)
        try:
            return not self.socket.recv(2000)
        except TimeoutError:
            return True
        finally:
            self.socket.settimeout(5)


@pytest.fixture
def serve(meta):
    """Start a server with options, limits and network; returns (server, client factory)."""
    running, clients = [], []

    def start(limits=None, evaluate=linear, **options):
        options = ServerOptions(host="127.0.0.1", port=0, **options)
        server = Server(meta, evaluate, bind("127.0.0.1", 0), options, limits)
        thread = threading.Thread(target=server.run, daemon=True)
        thread.start()
        running.append((server, thread))

        def connect():
            clients.append(Client(server.address))
            return clients[-1]

        return server, connect

    yield start
    for client in clients:
        client.socket.close()
    for server, thread in running:
        server.stop()
        thread.join(5)
        alive = thread.is_alive()
        server.__exit__(None, None, None)
        assert not alive


@pytest.fixture
def connect():
    """Return a function that connects a client to a port of this machine."""
    clients = []

    def to(port):
        clients.append(Client(("127.0.0.1", port)))
        return clients[-1]

    yield to
    for client in clients:
        client.socket.close()


@pytest.fixture
def symbols():
    return np.random.default_rng(1).integers(0, 4, 60).astype(np.uint8)


@pytest.fixture
def request_of(meta):
    """Build a request in fragments of 12 bytes (8 codes): 60 noisy symbols make about 5."""

    def build(symbols, sequence=1, device_id=7, capacity=12, model_id=meta.model_id, codec=1):
        fragments = LZW.encode(symbols, 4, capacity)
        return protocol.pack_request(model_id, device_id, sequence, codec, fragments, 2)

    return build


@pytest.fixture
def expected(meta):
    """Logits (int16, 1/256) computed straight from symbols in the order (y, channel, x)."""

    def compute(symbols):
        features = np.zeros((4, 5, 3), np.float32)
        for position, symbol in enumerate(symbols):
            y, rest = divmod(position, 15)
            channel, x = divmod(rest, 5)
            features[y, x, channel] = meta.levels[symbol]
        logits = features.reshape(60).astype(np.float64) @ WEIGHTS.astype(np.float64)
        return logits * 256

    return compute
