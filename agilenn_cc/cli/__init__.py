"""The commands; the only room that prints, and the only one that knows click."""

from __future__ import annotations

import signal
import sys
import threading
from typing import NoReturn

import click

from agilenn_cc import __version__
from agilenn_cc.cli.building import analyze, build, serve, simulate
from agilenn_cc.cli.experimenting import reproduce, sweep
from agilenn_cc.cli.looking_up import doctor, schema, targets
from agilenn_cc.cli.shell import Group


def _terminate(number: int, _frame: object) -> NoReturn:
    """Leave as an exception does, so that a server that was started is stopped too."""
    sys.exit(128 + number)


@click.group(cls=Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="agilenn-cc")
def main() -> None:
    """Split a neural network between a microcontroller and a server, and build both sides.

    Exit codes: 0 ok, 1 internal error, 2 usage, 3 spec, 4 unsupported, 5 budget exceeded,
    6 mismatch, 7 external tool, 130 interrupted.
    """
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, _terminate)


for _command in (build, serve, simulate, analyze, sweep, reproduce, targets, doctor, schema):
    main.add_command(_command)

__all__ = ["main"]
