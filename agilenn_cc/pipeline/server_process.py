"""Runs an emitted server module as the process that a user would start."""

from __future__ import annotations

import contextlib
import re
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO

from agilenn_cc.errors import AgilennError, ExitCode

_READY = re.compile(r"ready address=(?P<host>[^\s:]+):(?P<port>\d+)")
_START_SECONDS = 120  # importing TensorFlow on a busy machine takes its time
_STOP_SECONDS = 15


class _Log:
    """Keeps the last lines of a stream and notices the ready line."""

    def __init__(self, stream: IO[str]) -> None:
        self.lines: deque[str] = deque(maxlen=40)
        self.address: tuple[str, int] | None = None
        self.settled = threading.Event()  # ready, or ended
        self._stream = stream
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        for line in self._stream:
            self.lines.append(line.rstrip())
            found = _READY.search(line)
            if found:
                self.address = (found["host"], int(found["port"]))
                self.settled.set()
        self.settled.set()


@contextlib.contextmanager
def server_process(module: Path, options: Sequence[str] = ()) -> Iterator[tuple[str, int]]:
    """Start `python -m MODULE` on a free loopback port; yield its (host, port), then stop it.

    Raises:
        AgilennError: exit code 7 if the server ends or stays silent instead of starting.
    """
    command = [sys.executable, "-m", module.name, "--host", "127.0.0.1", "--port", "0", *options]
    process = subprocess.Popen(
        command, cwd=module.parent, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    assert process.stderr is not None
    log = _Log(process.stderr)
    try:
        log.settled.wait(_START_SECONDS)
        if log.address is None:
            raise AgilennError.of(
                ExitCode.EXTERNAL,
                "server.no-start",
                f"the emitted server did not start: {' | '.join(log.lines) or 'it stayed silent'}",
                hint=f"run it by hand to see more: cd {module.parent} && python -m {module.name}",
            )
        yield log.address
    finally:
        process.terminate()
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
