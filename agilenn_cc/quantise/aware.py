"""Quantisation-aware fine-tuning of extractor and local net with tfmot.

The float split teaches: its features and logits on the calibration images are the targets, so no
labels are needed, and the remote net and the codebook stay as they were trained.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from agilenn_cc.learn.backend import (
    Model,
    Tensor,
    derive_seed,
    keras,
    quiet_native_logs,
    tf,
)
from agilenn_cc.learn.images import normalise
from agilenn_cc.learn.split_model import SplitModel

with quiet_native_logs():
    import tensorflow_model_optimization as tfmot

EPOCHS = 3
LEARNING_RATE = 2e-4
MOST_IMAGES = 10_000
RANGE_IMAGES = 128
MOVING_AVERAGE_STEP = 1e-3
"""tfmot's fake quantisers move their range by this part of the way to a batch's range."""


def fine_tune(
    split: SplitModel, images: npt.NDArray[np.uint8], seed: int, batch: int
) -> tuple[Model, Model]:
    """Return (extractor, local net) with quantisation in the loop, ready for the converter.

    The split's own networks are not changed. The input's range is pinned to all pixel values and
    the local net's input range to the features', so that the scales meet as the device needs them.
    """
    images = images[:MOST_IMAGES]
    with quiet_native_logs():
        extractor = tfmot.quantization.keras.quantize_model(_copy(split.extractor))
        local = tfmot.quantization.keras.quantize_model(_copy(split.local))
    for model in (extractor, local):
        _freeze_batch_norm(model)
    first = normalise(images[:RANGE_IMAGES])
    features = np.asarray(split.extractor(first, training=False))
    _measure_ranges(extractor, first)
    _measure_ranges(local, features[..., : split.top])
    step = _make_step(split, extractor, local)
    size = min(batch, len(images))
    for epoch in range(EPOCHS):
        random = np.random.default_rng(derive_seed(seed, "aware", epoch))
        order = random.permutation(len(images))
        for start in range(0, len(images) - size + 1, size):
            step(tf.constant(normalise(images[order[start : start + size]])))
    _pin_input(extractor, -1.0, 127 / 128)
    _pin_input(local, *_output_range(extractor))
    return extractor, local


def _copy(model: Model) -> Model:
    copied = keras.models.clone_model(model)
    copied.set_weights(model.get_weights())
    return copied


def _make_step(split: SplitModel, extractor: Model, local: Model) -> Tensor:
    variables = [*extractor.trainable_variables, *local.trainable_variables]
    optimiser = keras.optimizers.Adam(LEARNING_RATE, jit_compile=False)
    optimiser.build(variables)
    top = split.top

    def run(images: Tensor) -> None:
        wanted = split.extractor(images, training=False)
        wanted_logits = split.local(wanted[..., :top], training=False)
        with tf.GradientTape() as tape:
            features = extractor(images, training=True)
            logits = local(features[..., :top], training=True)
            loss = tf.reduce_mean(tf.square(features - wanted))
            loss += tf.reduce_mean(tf.square(logits - wanted_logits))
        gradients = tape.gradient(loss, variables)
        optimiser.apply_gradients(zip(gradients, variables, strict=True))

    return tf.function(run)


def _freeze_batch_norm(model: Model) -> None:
    for layer in model.layers:
        wrapped = getattr(layer, "layer", layer)
        if isinstance(wrapped, keras.layers.BatchNormalization):
            wrapped.trainable = False


def _ranges(model: Model) -> list[tuple[Tensor, Tensor]]:
    """Return (min, max) of the fake quantisers of activations, from input to output."""
    found: list[tuple[Tensor, Tensor]] = []
    for layer in model.layers:
        activations = [v for v in layer.weights if "kernel" not in v.name]
        low = [v for v in activations if v.name.endswith("_min:0")]
        high = [v for v in activations if v.name.endswith("_max:0")]
        found.extend(zip(low, high, strict=True))
    return found


def _measure_ranges(model: Model, samples: npt.NDArray[np.float32]) -> None:
    """Set the input's range and each fake quantiser behind it to what `samples` give.

    The moving averages would need thousands of steps from their start at -6 to 6. From zero, one
    pass moves them by a known part of the range; input to output, for each sees what the one
    before lets through.
    """
    _pin_input(model, float(samples.min()), float(samples.max()))
    for low, high in _ranges(model)[1:]:
        low.assign(0.0)
        high.assign(0.0)
        model(samples, training=True)
        low.assign(low / MOVING_AVERAGE_STEP)
        high.assign(high / MOVING_AVERAGE_STEP)


def _pin_input(model: Model, low: float, high: float) -> None:
    """Set the range of the fake quantiser behind the model's input."""
    first = _ranges(model)[0]
    first[0].assign(low)
    first[1].assign(high)


def _output_range(model: Model) -> tuple[float, float]:
    """Return the range of the model's output."""
    low, high = _ranges(model)[-1]
    return float(low), float(high)
