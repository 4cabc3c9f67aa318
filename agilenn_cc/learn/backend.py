"""Loads TensorFlow, quietly and with the Keras 2 API, and makes it reproducible."""

from __future__ import annotations

import contextlib
import hashlib
import os
import sys
import tempfile
from collections.abc import Iterator
from typing import Any, TypeAlias

# tensorflow-model-optimization accepts no Keras 3 model, so every network is a tf_keras model.
os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
# oneDNN picks its blocking by CPU model; without it a seed gives the same bytes on more machines.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")

Tensor: TypeAlias = Any
"""A TensorFlow tensor or variable; the package carries no types of its own."""

Model: TypeAlias = Any
"""A tf_keras model."""


@contextlib.contextmanager
def quiet_native_logs() -> Iterator[None]:
    """Keep what native code writes to file descriptor 2; show it only if the block fails.

    TensorFlow's C++ parts log before their log level is read, so no environment variable silences
    them, and Python's `sys.stderr` is not what they write to.
    """
    sys.stderr.flush()
    saved = os.dup(2)
    with tempfile.TemporaryFile() as kept:
        os.dup2(kept.fileno(), 2)
        try:
            yield
        except BaseException:
            kept.seek(0)
            os.write(saved, kept.read())
            raise
        finally:
            os.dup2(saved, 2)
            os.close(saved)


with quiet_native_logs():
    import tensorflow as tf
    import tf_keras as keras

tf.get_logger().setLevel("ERROR")


def make_deterministic() -> None:
    """Let every TensorFlow operation give the same bits for the same input.

    The switch is global to the process; TensorFlow offers no narrower one.
    """
    tf.config.experimental.enable_op_determinism()


def derive_seed(seed: int, *names: object) -> int:
    """Return a 31-bit seed for one purpose: a new consumer shifts no other's numbers."""
    text = "/".join([str(seed), *(str(name) for name in names)])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "little") & 0x7FFFFFFF


__all__ = [
    "Model",
    "Tensor",
    "derive_seed",
    "keras",
    "make_deterministic",
    "quiet_native_logs",
    "tf",
]
