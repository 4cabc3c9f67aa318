"""The checkpoint of a training: everything that is needed to go on where it was, in one file."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from agilenn_cc.errors import AgilennError, ExitCode

FILE_NAME = "checkpoint.safetensors"

Arrays = Mapping[str, npt.NDArray[Any]]


@dataclass(frozen=True)
class Checkpoint:
    """All variables by name, and the JSON `state` (stage, epoch, best epoch, results so far)."""

    arrays: Arrays
    state: Mapping[str, Any]


def dump(arrays: Arrays, state: Mapping[str, Any]) -> bytes:
    """Return arrays and JSON `state` as safetensors bytes; equal input gives equal bytes."""
    ordered = {name: np.asarray(arrays[name], order="C") for name in sorted(arrays)}
    # One metadata key only: with more, safetensors writes them in no fixed order.
    return bytes(save(ordered, metadata={"state": json.dumps(state, sort_keys=True)}))


def write(directory: Path, checkpoint: Checkpoint) -> None:
    """Write the checkpoint so that at any moment the file is the old one or the new one, whole.

    Raises `AgilennError` (exit 7) where it cannot be written.
    """
    temporary = directory / (FILE_NAME + ".tmp")
    try:
        directory.mkdir(parents=True, exist_ok=True)
        with temporary.open("wb") as stream:
            stream.write(dump(checkpoint.arrays, checkpoint.state))
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(directory / FILE_NAME)
    except OSError as error:
        raise AgilennError.of(
            ExitCode.EXTERNAL,
            "training.checkpoint",
            f"the checkpoint cannot be written to {directory}: {error.strerror or error}",
            hint="make room or give write permission; an earlier checkpoint there is kept",
        ) from error


def remove(directory: Path) -> None:
    """Forget the checkpoint in `directory`, if there is one.

    Raises `AgilennError` (exit 7) where it cannot be removed.
    """
    try:
        (directory / FILE_NAME).unlink(missing_ok=True)
    except OSError as error:
        raise AgilennError.of(
            ExitCode.EXTERNAL,
            "training.checkpoint",
            f"the checkpoint in {directory} cannot be removed: {error.strerror or error}",
            hint="remove the folder yourself, or give write permission",
        ) from error


def read(directory: Path, fingerprint: str) -> Checkpoint | None:
    """Return the checkpoint in `directory`, or None if there is none of this training.

    `fingerprint` names spec and data; a checkpoint of another training, or a damaged one, is none.
    """
    path = directory / FILE_NAME
    if not path.is_file():
        return None
    try:
        with safe_open(str(path), framework="numpy") as file:
            state = json.loads((file.metadata() or {}).get("state", "{}"))
            if state.get("fingerprint") != fingerprint:
                return None
            names = list(file.keys())
            return Checkpoint({name: file.get_tensor(name) for name in names}, state)
    except (SafetensorError, OSError, ValueError):
        return None
