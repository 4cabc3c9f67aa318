"""Optimisers: SGD with momentum, Adam, AdamW, each with a cosine learning rate after a warm-up."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

from agilenn_cc.learn import strategy
from agilenn_cc.learn.backend import Tensor, keras, tf
from agilenn_cc.learn.mapping import SUFFIX

Optimiser: TypeAlias = Any
"""A tf_keras optimiser."""

WARM_UP = 0.05
"""Part of all steps in which the learning rate rises linearly from zero."""

CLIP_NORM = 5.0
"""Bound of the gradient's global norm: importances are steep where their sum is near zero."""


def make_optimiser(
    name: str, learning_rate: float, weight_decay: float, steps: int, variables: Sequence[Tensor]
) -> Optimiser:
    """Return the optimiser `name` (`sgd`, `adam`, `adamw`) for `steps` steps on `variables`.

    Weight decay acts on convolution and dense kernels only, not on biases, batch norm, the mapping
    layer (which begins as the identity), quantiser levels or the combination weight; `adam` has
    none.
    """
    warm_up = int(WARM_UP * steps)
    schedule = keras.optimizers.schedules.CosineDecay(
        initial_learning_rate=0.0 if warm_up else learning_rate,
        decay_steps=max(steps - warm_up, 1),
        warmup_target=learning_rate if warm_up else None,
        warmup_steps=warm_up,
        alpha=0.01 if not warm_up else 0.0,
    )
    options: dict[str, Any] = {"jit_compile": False, "global_clipnorm": CLIP_NORM}
    if name == "sgd":
        optimiser = keras.optimizers.SGD(
            schedule, momentum=0.9, nesterov=True, weight_decay=weight_decay or None, **options
        )
    elif name == "adamw":
        optimiser = keras.optimizers.AdamW(schedule, weight_decay=weight_decay, **options)
    else:
        optimiser = keras.optimizers.Adam(schedule, **options)
    if name != "adam" and weight_decay:
        optimiser.exclude_from_weight_decay(
            var_list=[v for v in variables if "kernel" not in v.name or SUFFIX in v.name]
        )
    optimiser.build(list(variables))
    return optimiser


def scaled_for_float16(optimiser: Optimiser) -> Optimiser:
    """Return the optimiser with dynamic loss scaling, for gradients that pass through float16."""
    return keras.mixed_precision.LossScaleOptimizer(optimiser)


def apply_gradients(
    loss: Tensor, tape: Any, variables: Sequence[Tensor], optimiser: Optimiser
) -> None:
    """Move `variables` down the gradient of `loss`, a mean over the batch, that `tape` recorded.

    Where replicas share a batch, the mean of their losses is meant. With an optimiser from
    `scaled_for_float16` the loss is scaled up before back-propagation and gradients down after it.
    """
    scaled = isinstance(optimiser, keras.mixed_precision.LossScaleOptimizer)
    if not scaled and strategy.parts() == 1:
        gradients = tape.gradient(loss, variables)
    else:
        factor = tf.ones_like(loss) / strategy.parts()
        seed = optimiser.get_scaled_loss(factor) if scaled else factor
        gradients = tape.gradient(loss, variables, output_gradients=seed)
        if scaled:
            gradients = optimiser.get_unscaled_gradients(gradients)
    optimiser.apply_gradients(zip(gradients, variables, strict=True))
