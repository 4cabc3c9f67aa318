"""Agreement of imported models with the TFLite interpreter, for every type of input and output."""

import numpy as np
import pytest

from agilenn_cc.quantise import import_tflite
from agilenn_cc.quantise.oracle import imported_agreement

keras = pytest.importorskip("tf_keras")
tf = pytest.importorskip("tensorflow")

SAMPLES = 40
SCORES = 5


def model_of(shape: tuple[int, ...], input_type, output_type) -> bytes:
    """Return a network of random weights; its floats are pixels divided by 255."""
    keras.utils.set_random_seed(2)
    inputs = keras.Input(shape)
    tensor = inputs
    if len(shape) == 3:
        tensor = keras.layers.Conv2D(6, 3, activation="relu")(tensor)
        tensor = keras.layers.Flatten()(tensor)
    outputs = keras.layers.Dense(SCORES)(keras.layers.Dense(9, activation="relu")(tensor))
    converter = tf.lite.TFLiteConverter.from_keras_model(keras.Model(inputs, outputs))
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    images = np.random.default_rng(3).uniform(0, 1, (30, 1, *shape)).astype(np.float32)
    images[0], images[1] = 0, 1  # so that the range is 0 to 1, as it is with many images
    converter.representative_dataset = lambda: ([image] for image in images)
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type, converter.inference_output_type = input_type, output_type
    return converter.convert()


@pytest.mark.parametrize("shape", [(7, 6, 2), (11,)], ids=["image", "vector"])
@pytest.mark.parametrize("input_type", [tf.int8, tf.uint8, tf.float32], ids=lambda t: t.name)
@pytest.mark.parametrize("output_type", [tf.int8, tf.uint8, tf.float32], ids=lambda t: t.name)
def test_values_are_compared_in_the_same_units(shape, input_type, output_type) -> None:
    data = model_of(shape, input_type, output_type)
    graph = import_tflite(data)
    size = graph.tensors[graph.inputs[0]].shape
    images = np.random.default_rng(5).integers(0, 256, (SAMPLES, *size), dtype=np.uint8)
    found = imported_agreement(data, graph, images)
    assert sum(found.values()) == SAMPLES * SCORES
    assert found["equal"] >= 0.95 * SAMPLES * SCORES, found
    assert found["worse"] == 0, found
