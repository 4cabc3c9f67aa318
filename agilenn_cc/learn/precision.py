"""Mixed precision: networks that compute in 16 bits, with float32 weights and float32 seams.

Only extractor, local and remote net compute in 16 bits while they are trained. The reference, whose
gradients are the attribution, the quantiser and all losses stay in float32, and so do the networks
that are measured, saved and exported: they are float32 twins with the same weights.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from agilenn_cc.learn.backend import Model, Tensor, keras, tf


def policy_name(precision: str) -> str:
    """Return the Keras policy for the spec's `training.precision`.

    `mixed` is float16 on a GPU and bfloat16 on a CPU, whose float16 is slower than float32.
    """
    if precision == "float32":
        return "float32"
    return "mixed_float16" if tf.config.list_physical_devices("GPU") else "mixed_bfloat16"


@contextlib.contextmanager
def computing_in(policy: str) -> Iterator[None]:
    """Build layers under a Keras policy; the earlier one holds again behind the block."""
    before = keras.mixed_precision.global_policy()
    keras.mixed_precision.set_global_policy(policy)
    try:
        yield
    finally:
        keras.mixed_precision.set_global_policy(before)


def full(values: Tensor) -> Tensor:
    """Return `values` in float32, themselves if they are."""
    return values if values.dtype == tf.float32 else tf.cast(values, tf.float32)


def copy_weights(source: Model, target: Model) -> None:
    """Give `target` the weights of `source`, a network of the same layers."""
    target.set_weights(source.get_weights())
