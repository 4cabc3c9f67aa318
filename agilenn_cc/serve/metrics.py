"""What the server counted: as JSON in its last line and as Prometheus text over HTTP."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType

from .errors import ServeError

EVENTS = {
    "received": "datagrams received",
    "corrupt": "datagrams dropped: size, magic or CRC wrong",
    "unexpected": "datagrams dropped: not a request",
    "refused_model": "datagrams refused: another model",
    "refused_version": "datagrams refused: another protocol version",
    "refused_codec": "datagrams refused: another codec",
    "refused_rate": "datagrams refused: a rate that the network does not have",
    "refused_malformed": "datagrams refused: fields or payload contradict each other",
    "refused_overloaded": "datagrams refused: too many open requests",
    "duplicates": "fragments ignored: seen before",
    "late": "fragments ignored: their request was answered without them",
    "restarted": "requests begun anew: same sequence, other bytes",
    "answered": "answers sent",
    "answered_partly": "answers sent although symbols were missing",
    "repeated": "answers sent again for a repeated request",
    "withheld": "answers not sent: longer than what was received",
    "filled_symbols": "symbols that were missing and got the modal level",
    "batches": "evaluations of the remote net",
    "send_failures": "datagrams that the system would not send",
}
"""Every counter and what it means; all of them only grow."""


def snapshot(counts: Mapping[str, int]) -> dict[str, int]:
    """Return all counters in a fixed order, absent ones as 0."""
    return {name: counts.get(name, 0) for name in EVENTS}


def prometheus_text(counts: Mapping[str, int]) -> str:
    """Return the counters in the Prometheus text format (version 0.0.4)."""
    lines = []
    for name, help_text in EVENTS.items():
        metric = f"agilenn_server_{name}_total"
        lines += [
            f"# HELP {metric} {help_text}",
            f"# TYPE {metric} counter",
            f"{metric} {counts.get(name, 0)}",
        ]
    return "\n".join(lines) + "\n"


class MetricsEndpoint:
    """Serves GET /metrics from a thread of its own while the `with` block runs."""

    def __init__(self, host: str, port: int, counts: Callable[[], Counter[str]]) -> None:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                if self.path != "/metrics":
                    self.send_error(404)
                    return
                body = prometheus_text(counts()).encode()
                self.send_response(200)
                self.send_header("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                """Keep the log for inference: scrapes are not worth a line."""

        try:
            self._server = ThreadingHTTPServer((host, port), Handler)
        except OSError as error:
            raise ServeError(
                f"cannot serve metrics on {host}:{port}: {error.strerror or error}",
                "choose another --metrics-port",
            ) from error
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    @property
    def port(self) -> int:
        """The port that was bound."""
        return int(self._server.server_address[1])

    def __enter__(self) -> MetricsEndpoint:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
