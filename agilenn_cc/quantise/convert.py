"""Float split to int8 device graph by the TFLite converter (post-training quantisation)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import numpy.typing as npt

from agilenn_cc.errors import AgilennError, ExitCode
from agilenn_cc.learn.backend import Model, make_deterministic, quiet_native_logs, tf
from agilenn_cc.learn.images import normalise
from agilenn_cc.learn.split_model import SplitModel
from agilenn_cc.quantise.device_graph import build_device_graph
from agilenn_cc.quantise.model import QuantisedModel
from agilenn_cc.quantise.tflite_operators import import_operators
from agilenn_cc.quantise.tflite_reader import FlatModel
from agilenn_cc.spec import Spec

CALIBRATION_IMAGES = 256
"""Most images that ranges are measured on."""


def calibration_subset(images: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Return at most `CALIBRATION_IMAGES` images, evenly spread."""
    count = min(len(images), CALIBRATION_IMAGES)
    return images[np.linspace(0, len(images) - 1, count).astype(np.int64)]


def convert_to_int8(model: Model, samples: npt.NDArray[np.float32]) -> bytes:
    """Return the int8 .tflite bytes of a flat Keras model, calibrated on `samples` [N, ...]."""
    shape = [1, *samples.shape[1:]]
    function = tf.function(lambda values: model(values, training=False)).get_concrete_function(
        tf.TensorSpec(shape, tf.float32, name="values")
    )
    with quiet_native_logs():
        converter = tf.lite.TFLiteConverter.from_concrete_functions([function], model)
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = lambda: _one_by_one(samples)
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = tf.int8
        converter.inference_output_type = tf.int8
        return bytes(converter.convert())


def _one_by_one(samples: npt.NDArray[np.float32]) -> Iterator[list[npt.NDArray[np.float32]]]:
    for sample in samples:
        yield [sample[None]]


def _with_full_range(
    samples: npt.NDArray[np.float32], low: float, high: float
) -> npt.NDArray[np.float32]:
    """Return `samples` and one more that spans `low` to `high`: the converter's scale follows.

    The added sample is the first one with two values changed, so that the ranges of the layers
    behind stay what real data gives.
    """
    spanning = samples[:1].copy()
    flat = spanning.reshape(-1)
    flat[int(flat.argmin())] = low
    flat[int(flat.argmax())] = high
    return np.concatenate([spanning, samples])


def quantise(spec: Spec, split: SplitModel, calibration: npt.NDArray[np.uint8]) -> QuantisedModel:
    """Return the integer device part of `split`, calibrated on raw images uint8 [N, H, W, C].

    Extractor and local net are converted apart, each a flat model, which is what converter and
    tfmot handle. The input's range is forced to all pixel values, so its scale is exactly 1/128 and
    its zero point 0; the local net's input range is forced to the features', and its multipliers
    are then derived from the features' scale itself. With `training.quantisation: aware`, both are
    fine-tuned first with quantisation in the loop, towards the float split's own answers.

    Raises `AgilennError` (exit 4) for an operator that has no integer form.
    """
    make_deterministic()
    images = calibration_subset(calibration)
    extractor: Model = split.extractor
    local: Model = split.local
    if spec.training.quantisation == "aware":
        from agilenn_cc.quantise.aware import fine_tune

        extractor, local = fine_tune(split, calibration, spec.seed, spec.training.batch)
    samples = _with_full_range(normalise(images), -1.0, 127 / 128)
    extractor_bytes = convert_to_int8(extractor, samples)
    flat_extractor = FlatModel(extractor_bytes)
    _check_input(flat_extractor, 1 / 128, 0)
    features = flat_extractor.output
    low = features.scale * (-128 - features.zero_point)
    high = features.scale * (127 - features.zero_point)
    floats = np.concatenate(
        [np.asarray(split.extractor(normalise(image[None]), training=False)) for image in images]
    )
    kept = np.clip(floats[..., : split.top], low, high)
    local_bytes = convert_to_int8(local, _with_full_range(kept, low, high))
    flat_local = FlatModel(local_bytes)
    _check_input(flat_local, features.scale, features.zero_point)
    graph = build_device_graph(
        spec.name,
        spec.input_shape,
        split.top,
        split.levels,
        lambda builder, source, output: import_operators(
            flat_extractor, builder, source, "extractor", output
        ),
        lambda builder, source, output: import_operators(
            flat_local, builder, source, "local", output
        ),
        split.rates,
    )
    tflite: Mapping[str, bytes] = {"extractor": extractor_bytes, "local": local_bytes}
    return QuantisedModel(
        graph, split.levels, split.alpha, split.classes, tflite, rates=split.rates
    )


def _check_input(model: FlatModel, scale: float, zero_point: int) -> None:
    found = model.input
    close = abs(found.scale / scale - 1.0) < 1e-5
    if not close or found.zero_point != zero_point:
        raise AgilennError.of(
            ExitCode.INTERNAL,
            "quantise.input-scale",
            f"the converter chose input scale {found.scale} and zero point {found.zero_point}, "
            f"not {scale} and {zero_point}",
            hint="this TensorFlow version calibrates differently; install the locked versions",
        )
