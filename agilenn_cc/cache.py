"""Content-addressed results on disk: nothing is computed twice."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import platformdirs

from agilenn_cc.errors import AgilennError, ExitCode

_PACKAGE = Path(__file__).resolve().parent
_SEAL = ".sealed.json"  # SHA-256 of every file of an entry, written last
_DISK_ERRORS = frozenset((errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM))


def digest(value: Any) -> str:
    """Return the SHA-256 of a JSON value in canonical form."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def digest_bytes(data: bytes) -> str:
    """Return the SHA-256 of bytes."""
    return hashlib.sha256(data).hexdigest()


def digest_files(files: Mapping[str, bytes]) -> str:
    """Return one SHA-256 over named file contents."""
    return digest({name: digest_bytes(data) for name, data in files.items()})


def digest_sources(*places: Path) -> str:
    """Return one SHA-256 over source files, so that changed code invalidates its results."""
    files: dict[str, bytes] = {}
    for place in places:
        found = [place] if place.is_file() else sorted(place.rglob("*"))
        for path in found:
            if path.is_file() and "__pycache__" not in path.parts:
                files[f"{place.name}/{path.relative_to(place)}"] = path.read_bytes()
    return digest_files(files)


def digest_rooms(*rooms: str) -> str:
    """Return one SHA-256 over the sources of rooms of this package."""
    return digest_sources(*(_PACKAGE / room for room in rooms))


def default_root() -> Path:
    """Return the cache folder: `AGILENN_CACHE`, or the platform's place for caches."""
    configured = os.environ.get("AGILENN_CACHE")
    return Path(configured) if configured else Path(platformdirs.user_cache_dir("agilenn-cc"))


def _digests(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): digest_bytes(path.read_bytes())
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != _SEAL
    }


def _is_whole(entry: Path) -> bool:
    """Whether an entry holds exactly what was put there: disks fill up, machines lose power."""
    try:
        sealed = json.loads((entry / _SEAL).read_text())
        return bool(sealed == _digests(entry))
    except (OSError, ValueError):
        return False


@dataclass(frozen=True)
class Cache:
    """A folder of results; an entry appears whole or not at all."""

    root: Path

    def get(self, stage: str, key: str, produce: Callable[[Path], None]) -> tuple[Path, bool]:
        """Return the entry's folder and whether it was there; `produce` fills a new one.

        An entry that is no longer as it was written is produced anew.

        Raises:
            AgilennError: exit code 7 if the cache folder cannot be written or is full.
        """
        entry = self.root / stage / key[:32]
        if entry.is_dir() and _is_whole(entry):
            return entry, True
        try:
            if entry.is_dir():
                shutil.rmtree(entry)
            entry.unlink(missing_ok=True)
            entry.parent.mkdir(parents=True, exist_ok=True)
            staging = Path(tempfile.mkdtemp(prefix=".new-", dir=entry.parent))
        except OSError as error:
            raise self._unwritable(error) from error
        try:
            self._fill(staging, produce)
            try:
                staging.rename(entry)
            except OSError:
                if not entry.is_dir():  # another process may have finished the same entry first
                    raise
        finally:
            shutil.rmtree(staging, ignore_errors=True)
        return entry, False

    def _fill(self, staging: Path, produce: Callable[[Path], None]) -> None:
        try:
            produce(staging)
            (staging / _SEAL).write_text(json.dumps(_digests(staging)))
        except (OSError, AgilennError) as error:
            cause = error if isinstance(error, OSError) else error.__cause__
            if isinstance(cause, OSError) and cause.errno in _DISK_ERRORS:
                raise self._unwritable(cause) from error
            raise

    def work(self, stage: str, key: str) -> Path:
        """Return a folder for the checkpoints of an unfinished result."""
        folder = self.root / "unfinished" / stage / key[:32]
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise self._unwritable(error) from error
        return folder

    def _unwritable(self, error: OSError) -> AgilennError:
        return AgilennError.of(
            ExitCode.EXTERNAL,
            "cache.unwritable",
            f"the cache folder {self.root} cannot be written: {error.strerror}",
            hint="set AGILENN_CACHE to a folder that you may write, or free some disk space",
        )
