"""Downloads into the user's cache, checked by SHA-256."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import platformdirs

from agilenn_cc.data.source import Progress, Request
from agilenn_cc.errors import ExitCode


@dataclass(frozen=True)
class Archive:
    """A file on the net: its address, its SHA-256 (hex) and its name in the cache."""

    url: str
    sha256: str
    file_name: str


def cache_dir() -> Path:
    """Return the folder for downloads, such as ~/.cache/agilenn-cc."""
    return Path(platformdirs.user_cache_dir("agilenn-cc"))


def fetch(archive: Archive, request: Request) -> Path:
    """Return the archive's path in the cache; downloads it first if it is not there.

    Raises:
        AgilennError: exit code 7, if it cannot be had or has another content.
    """
    import pooch
    import requests

    pooch.get_logger().setLevel(logging.ERROR)
    downloader = pooch.HTTPDownloader(
        progressbar=_ProgressBar(f"downloading {archive.file_name}", request.progress), timeout=30
    )
    try:
        path = pooch.retrieve(
            archive.url,
            known_hash=f"sha256:{archive.sha256}",
            fname=archive.file_name,
            path=cache_dir(),
            downloader=downloader,
        )
    except ValueError as error:
        message = f"{archive.url} did not deliver the known file: {error}"
        hint = "get it elsewhere and name it with `--set dataset.path=FILE`"
    except (requests.RequestException, OSError) as error:
        message = f"{archive.url} could not be downloaded: {error}"
        hint = "check the network, or name a copy with `--set dataset.path=FILE`"
    else:
        return Path(path)
    raise request.error("name", message, hint, "data.download", ExitCode.EXTERNAL)


class _ProgressBar:
    """What pooch wants of a progress bar, handed on to a progress callback."""

    def __init__(self, what: str, progress: Progress) -> None:
        self.what = what
        self.progress = progress
        self.total = 0
        self.done = 0

    def update(self, count: int) -> None:
        self.done += count
        self.progress(self.what, self.done, self.total)

    def reset(self) -> None:
        # pooch resets and then updates by the total once at the end.
        self.done = 0

    def close(self, *_: Any) -> None:
        """Nothing is open."""
