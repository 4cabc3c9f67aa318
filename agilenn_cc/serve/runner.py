"""Loads an emitted server module and serves it until a signal comes."""

from __future__ import annotations

import json
import logging
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from .metadata import load_module
from .model import load_remote_net
from .server import Server, ServerOptions, bind

_LOG = logging.getLogger(__name__)


def run_server(module_dir: Path, options: ServerOptions | None = None) -> dict[str, int]:
    """Serve the emitted module in `module_dir` until SIGINT or SIGTERM; return the statistics.

    Logs `ready address=HOST:PORT model=0xID` when requests are taken and `stopped {json}` at the
    end. Raises `ServeError` if it cannot start. Signals are caught in the main thread only.
    """
    options = options or ServerOptions()
    meta, graphdef = load_module(module_dir)
    # Bound before the network is loaded, which takes seconds: a port in use is told at once.
    endpoint = bind(options.host, meta.port if options.port is None else options.port)
    with endpoint:
        evaluate = load_remote_net(graphdef, meta, options.threads)
        with Server(meta, evaluate, endpoint, options) as server, _stopped_by_signals(server):
            host, port = server.address
            _LOG.info("ready address=%s:%d model=0x%08x", host, port, meta.model_id)
            statistics = server.run()
    _LOG.info("stopped %s", json.dumps(statistics))
    return statistics


@contextmanager
def _stopped_by_signals(server: Server) -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def handle(_signal: int, _frame: FrameType | None) -> None:
        server.stop()

    before = {name: signal.signal(name, handle) for name in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for name, handler in before.items():
            signal.signal(name, handler)
