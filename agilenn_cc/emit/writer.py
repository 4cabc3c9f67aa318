"""Writes a tree of files: only what changed, all or nothing, never over the user's own."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

from agilenn_cc.errors import AgilennError, ExitCode

from .render import canonical_json

LISTING: Final = ".agilenn-files.json"


@dataclass(frozen=True)
class WriteReport:
    """Relative paths by what happened to them; `kept` are the user's files, left alone."""

    written: tuple[str, ...]
    unchanged: tuple[str, ...]
    kept: tuple[str, ...]
    removed: tuple[str, ...]


def write_tree(
    files: Mapping[str, bytes], directory: Path, keep: Iterable[str] = ("App/",)
) -> WriteReport:
    """Make `directory` hold `files` (relative POSIX path to content).

    A file is written only if its content changes. What exists under a prefix of `keep` is never
    touched. Files that the previous call wrote and this one does not name are removed. If anything
    fails, the directory is as it was. Raises AgilennError (external) if it cannot be written.
    """
    for path in files:
        _check_path(path)
    prefixes = tuple(keep)
    try:
        return _write(files, Path(directory), prefixes)
    except OSError as error:
        place = error.filename or directory
        raise _unwritable(place, error.strerror or str(error)) from error


def require_writable(directory: Path) -> None:
    """Raise AgilennError (external) if `directory` plainly cannot be written or made.

    Told before the hours of a training; what cannot be known so early (a full disk) `write_tree`
    tells.
    """
    place = directory.absolute()
    while not os.path.lexists(place):
        place = place.parent
    if not place.is_dir():
        raise _unwritable(directory, f"{place} is no folder")
    if not os.access(place, os.W_OK | os.X_OK):
        raise _unwritable(directory, f"{place} is not yours to write")


def _unwritable(place: str | Path, reason: str) -> AgilennError:
    return AgilennError.of(
        ExitCode.EXTERNAL,
        "emit.unwritable",
        f"cannot write {place}: {reason}",
        hint="choose another folder with -o, or make this one writable; nothing was changed",
    )


def _check_path(path: str) -> None:
    pure = PurePosixPath(path)
    if pure.is_absolute() or ".." in pure.parts or str(pure) != path or path == LISTING:
        raise ValueError(f"'{path}' is no plain relative path")


def _write(files: Mapping[str, bytes], directory: Path, keep: tuple[str, ...]) -> WriteReport:
    written: list[str] = []
    unchanged: list[str] = []
    kept: list[str] = []
    for path, content in sorted(files.items()):
        target = directory / path
        if path.startswith(keep) and target.exists():
            kept.append(path)
        elif target.is_file() and target.read_bytes() == content:
            unchanged.append(path)
        else:
            written.append(path)
    removed = [
        path
        for path in _previous(directory)
        if path not in files and not path.startswith(keep) and (directory / path).is_file()
    ]
    listing = canonical_json(
        {path: hashlib.sha256(content).hexdigest() for path, content in sorted(files.items())}
    )
    changes = {path: files[path] for path in written}
    listing_file = directory / LISTING
    if not listing_file.is_file() or listing_file.read_bytes() != listing:
        changes[LISTING] = listing
    if changes or removed:
        _apply(changes, removed, directory)
    return WriteReport(tuple(written), tuple(unchanged), tuple(kept), tuple(removed))


def _previous(directory: Path) -> list[str]:
    """Return what the last call wrote; an absent or damaged listing names nothing."""
    try:
        listing = json.loads((directory / LISTING).read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return []
    if not isinstance(listing, dict):
        return []
    paths = []
    for path in listing:
        pure = PurePosixPath(path)
        if not pure.is_absolute() and ".." not in pure.parts:
            paths.append(path)
    return sorted(paths)


def _apply(changes: Mapping[str, bytes], removed: Iterable[str], directory: Path) -> None:
    """Stage everything beside its destination, then exchange; undo the exchanges on failure."""
    created = _make_folder(directory)
    staging = None
    undo: list[tuple[Path, Path | None]] = []
    try:
        staging = Path(tempfile.mkdtemp(prefix=".agilenn-staging-", dir=directory))
        for number, content in enumerate(changes.values()):
            (staging / f"new{number}").write_bytes(content)
        for number, path in enumerate(changes):
            target = directory / path
            created += _make_folder(target.parent)
            _exchange(staging / f"new{number}", target, staging / f"old{number}", undo)
        for number, path in enumerate(removed):
            old = staging / f"removed{number}"
            os.replace(directory / path, old)
            undo.append((directory / path, old))
    except BaseException:
        for changed, backup in reversed(undo):
            if backup is None:
                changed.unlink()
            else:
                os.replace(backup, changed)
        if staging is not None:
            shutil.rmtree(staging, ignore_errors=True)
        for folder in reversed(created):
            folder.rmdir()
        raise
    shutil.rmtree(staging)
    _remove_empty_folders({(directory / path).parent for path in removed}, directory)


def _exchange(new: Path, target: Path, backup: Path, undo: list[tuple[Path, Path | None]]) -> None:
    old: Path | None = None
    if target.exists():
        os.replace(target, backup)
        old = backup
        undo.append((target, old))
        os.replace(new, target)
    else:
        os.replace(new, target)
        undo.append((target, None))


def _make_folder(folder: Path) -> list[Path]:
    """Create a folder with its parents; return those that did not exist, outermost first."""
    missing = []
    current = folder
    while not current.exists():
        missing.append(current)
        current = current.parent
    missing.reverse()
    for path in missing:
        path.mkdir()
    return missing


def _remove_empty_folders(folders: Iterable[Path], root: Path) -> None:
    for folder in sorted(folders, key=lambda path: len(path.parts), reverse=True):
        current = folder
        while current != root and current.is_dir() and not any(current.iterdir()):
            current.rmdir()
            current = current.parent
