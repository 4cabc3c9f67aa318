"""The command line of an emitted server module: `python -m NAME_server`."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from .errors import ServeError
from .runner import run_server
from .server import ServerOptions

EXIT_OK = 0
EXIT_CANNOT_SERVE = 7
EXIT_INTERRUPTED = 130


def main(module_dir: Path, arguments: Sequence[str] | None = None) -> int:
    """Serve the module in `module_dir` as the arguments (default: of the process) say.

    Returns the exit code: 0 stopped by a signal or `--once`, 2 usage, 7 cannot serve, 130
    interrupted before it was ready. Logs go to standard error.
    """
    parsed = _parser(module_dir.name).parse_args(arguments)
    logging.basicConfig(
        stream=sys.stderr,
        level=logging.DEBUG if parsed.verbose else logging.INFO,
        format="%(message)s",
    )
    options = ServerOptions(
        host=parsed.host,
        port=parsed.port,
        gap_ms=parsed.gap_ms,
        reorder_ms=parsed.reorder_ms,
        max_batch=parsed.max_batch,
        once=parsed.once,
        threads=parsed.threads,
        metrics_port=parsed.metrics_port,
    )
    try:
        run_server(module_dir, options)
    except ServeError as error:
        logging.getLogger(__name__).error("error: %s\n  hint: %s", error.message, error.hint)
        return EXIT_CANNOT_SERVE
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    return EXIT_OK


def _parser(program: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=f"python -m {program}",
        description="Answers the inference requests of devices that run this build's firmware.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    defaults = ServerOptions()
    option = parser.add_argument
    option("--host", default=defaults.host, help="address to listen on")
    option("--port", type=_whole(0, 65535), help="UDP port; 0 takes a free one (default: built in)")
    option("--once", type=_whole(1), metavar="N", help="stop after N answers")
    option(
        "--gap-ms",
        type=_positive,
        metavar="MS",
        help="wait this long for the next fragment (default: built in)",
    )
    option(
        "--reorder-ms",
        type=_positive,
        default=defaults.reorder_ms,
        metavar="MS",
        help="wait this long for missing fragments after the last one",
    )
    option(
        "--max-batch",
        type=_whole(1),
        default=defaults.max_batch,
        metavar="N",
        help="devices whose requests are evaluated together",
    )
    option(
        "--threads",
        type=_whole(0),
        default=defaults.threads,
        metavar="N",
        help="TensorFlow threads; 0: one for each core, at most 4",
    )
    option(
        "--metrics-port", type=_whole(0, 65535), help="serve Prometheus metrics on this TCP port"
    )
    option("--verbose", action="store_true", help="log dropped and refused datagrams")
    return parser


def _whole(least: int, greatest: int | None = None) -> Callable[[str], int]:
    """Return the argument type of whole numbers between two bounds."""

    def convert(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"'{text}' is not a whole number") from None
        if value < least or (greatest is not None and value > greatest):
            bound = f"{least} or more" if greatest is None else f"{least} to {greatest}"
            raise argparse.ArgumentTypeError(f"{value} is not {bound}")
        return value

    return convert


def _positive(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"'{text}' is not a number") from None
    if not 0 < value < 3_600_000:
        raise argparse.ArgumentTypeError(f"{text} is not above 0 and below one hour")
    return value
