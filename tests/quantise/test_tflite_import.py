"""Imported .tflite networks: equal on device and reference, near TFLite, refusals complete."""

import shutil

import numpy as np
import pytest

from agilenn_cc.errors import AgilennError, ExitCode
from agilenn_cc.ir.ops import Conv2D, DepthwiseConv2D, FullyConnected, Pad, Reshape, Softmax
from agilenn_cc.ir.reference import run
from agilenn_cc.passes import compile as compile_network
from agilenn_cc.quantise import import_tflite
from agilenn_cc.quantise.oracle import compare, run_tflite
from agilenn_cc.targets import load_target
from agilenn_cc.verify.host import verify_host

keras = pytest.importorskip("tf_keras")
tf = pytest.importorskip("tensorflow")
layers = keras.layers
TARGET = load_target("stm32f746")


def int8_model(model, shape, *, input_type=tf.int8, output_type=tf.int8, seed=0):
    """Convert with random calibration data in [0, 1), as pixels divided by 255 would be."""
    samples = np.random.default_rng(seed).uniform(0, 1, (24, *shape)).astype(np.float32)
    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: ([sample[None]] for sample in samples)
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = input_type
    converter.inference_output_type = output_type
    return converter.convert()


def batch_norm(tensor):
    return layers.BatchNormalization(
        gamma_initializer=keras.initializers.RandomUniform(0.5, 1.5, seed=3),
        beta_initializer=keras.initializers.RandomUniform(-0.5, 0.5, seed=4),
    )(tensor)


def conv(tensor, filters, kernel=3, stride=1, activation="relu"):
    tensor = layers.Conv2D(filters, kernel, stride, padding="same", use_bias=False)(tensor)
    tensor = batch_norm(tensor)
    return layers.Activation(activation)(tensor) if activation else tensor


def convolutional(inputs):
    tensor = conv(inputs, 6)
    tensor = layers.MaxPooling2D(2)(tensor)
    tensor = conv(tensor, 9, kernel=(5, 3), stride=2)
    tensor = layers.AveragePooling2D((2, 2), strides=(1, 2), padding="same")(tensor)
    tensor = layers.Flatten()(tensor)
    return layers.Dense(5, activation="softmax")(tensor)


def separable(inputs):
    """A keyword-spotting or person-detection network, kept small."""
    tensor = layers.ZeroPadding2D(1)(inputs)
    tensor = layers.Conv2D(8, 3, 2, padding="valid")(tensor)
    tensor = layers.ReLU(6.0)(tensor)
    for filters, stride in ((12, 1), (16, 2)):
        tensor = layers.DepthwiseConv2D(3, stride, padding="same", use_bias=False)(tensor)
        tensor = layers.ReLU(6.0)(batch_norm(tensor))
        tensor = conv(tensor, filters, kernel=1, activation=tf.nn.relu6)
    tensor = layers.GlobalAveragePooling2D()(tensor)
    return layers.Dense(4, activation="softmax")(tensor)


def residual(inputs):
    """Two blocks of a ResNet-8, the second with a strided shortcut."""
    tensor = conv(inputs, 8)
    inner = conv(conv(tensor, 8), 8, activation=None)
    tensor = layers.Activation("relu")(layers.Add()([inner, tensor]))
    inner = conv(conv(tensor, 12, stride=2), 12, activation=None)
    shortcut = layers.Conv2D(12, 1, 2, padding="same")(tensor)
    tensor = layers.Activation("relu")(layers.Add()([shortcut, inner]))
    tensor = layers.AveragePooling2D(pool_size=(4, 3))(tensor)
    return layers.Dense(10, activation="softmax")(layers.Flatten()(tensor))


def fully_connected(inputs):
    """An autoencoder's shape: vectors all the way."""
    tensor = inputs
    for units in (24, 8, 24):
        tensor = layers.Dense(units, activation="relu")(tensor)
    return layers.Dense(16)(tensor)


def pixel_head(inputs):
    """MobileNet's way: the mean stays an image, and a 1x1 convolution classifies."""
    tensor = conv(inputs, 8, stride=2)
    tensor = layers.GlobalAveragePooling2D(keepdims=True)(tensor)
    tensor = layers.Conv2D(6, 1)(tensor)
    return layers.Softmax()(layers.Reshape((6,))(tensor))


def pooled_padding(inputs):
    """Padding that a pool reads, and an activation with a scale of its own."""
    tensor = layers.Conv2D(4, 3, padding="valid")(inputs)
    tensor = layers.ZeroPadding2D(((1, 0), (2, 1)))(tensor)
    tensor = layers.MaxPooling2D(3, 2)(tensor)
    tensor = layers.ReLU()(tensor)
    return layers.Dense(3)(layers.GlobalAveragePooling2D()(tensor))


def greyscale_depthwise(inputs):
    """A depthwise convolution that makes several channels of one."""
    tensor = layers.DepthwiseConv2D(3, depth_multiplier=5, activation="relu")(inputs)
    return layers.Dense(3)(layers.Flatten()(tensor))


NETWORKS = {
    "convolutional": (convolutional, (12, 14, 3)),
    "separable": (separable, (16, 14, 3)),
    "residual": (residual, (8, 6, 3)),
    "fully_connected": (fully_connected, (16,)),
    "pixel_head": (pixel_head, (8, 8, 3)),
    "pooled_padding": (pooled_padding, (9, 8, 2)),
}
_FILES = {}


def file_of(name, **types):
    key = (name, *sorted(types.items()))
    if key not in _FILES:
        keras.utils.set_random_seed(11)
        build, shape = NETWORKS[name]
        inputs = keras.Input(shape)
        _FILES[key] = int8_model(keras.Model(inputs, build(inputs)), shape, **types)
    return _FILES[key]


def images_for(graph, count, seed=1):
    shape = graph.tensors[graph.inputs[0]].shape
    return np.random.default_rng(seed).integers(0, 256, (count, *shape), dtype=np.uint8)


def tflite_inputs(name, images):
    shape = NETWORKS[name][1]
    return (images.astype(np.int16) - 128).astype(np.int8).reshape(-1, *shape)


def compiled(graph, kernels="specialised"):
    classes = tuple(f"c{i}" for i in range(graph.tensors[graph.outputs[0]].elements))
    return compile_network(
        graph, TARGET, model_id=1, alpha=1.0, classes=classes, levels=2, kernels=kernels
    )


@pytest.mark.parametrize("name", NETWORKS)
def test_reference_agrees_with_the_interpreter(name):
    graph = import_tflite(file_of(name))
    images = images_for(graph, 60)
    ours = run(graph, images)[graph.outputs[0]]
    found = compare(ours, run_tflite(file_of(name), tflite_inputs(name, images)))
    assert found.worse == 0, found
    assert found.equal >= 0.98 * ours.size, found
    assert len(np.unique(ours)) > 5


@pytest.mark.skipif(shutil.which("g++") is None, reason="g++ is not installed")
@pytest.mark.parametrize("kernels", ["specialised", "portable"])
@pytest.mark.parametrize("name", NETWORKS)
def test_emitted_code_equals_the_reference(name, kernels):
    graph = import_tflite(file_of(name))
    program = compiled(graph, kernels)
    images = images_for(graph, 3)
    result = verify_host(program, graph, images)
    assert result.mismatches == 0, result.first_mismatch
    assert program.sent_channels == 0


@pytest.mark.parametrize("name", ["residual", "pixel_head"])
@pytest.mark.parametrize(("input_type", "output_type"), [(tf.uint8, tf.uint8), (tf.float32,) * 2])
def test_other_interface_types_are_the_same_network(name, input_type, output_type):
    graph = import_tflite(file_of(name))
    other = import_tflite(file_of(name, input_type=input_type, output_type=output_type))
    images = images_for(graph, 8)
    expected, found = run(graph, images), run(other, images)
    assert np.array_equal(expected[graph.outputs[0]], found[other.outputs[0]])
    assert other.tensors[other.outputs[0]] == graph.tensors[graph.outputs[0]]


def test_bytes_of_a_uint8_input_go_in_as_they_are():
    data = file_of("pixel_head", input_type=tf.uint8)
    graph = import_tflite(data)
    images = images_for(graph, 8)
    ours = run(graph, images)[graph.outputs[0]]
    found = compare(ours, run_tflite(data, images))
    assert found.worse == 0
    assert found.equal >= 0.9 * ours.size


def kinds(graph):
    return [type(op) for op in graph.ops]


def test_structure_of_imported_networks():
    assert Pad in kinds(import_tflite(file_of("separable")))
    assert kinds(import_tflite(file_of("fully_connected"))) == [FullyConnected] * 4
    assert kinds(import_tflite(file_of("residual")))[-1] is Softmax
    assert Reshape in kinds(import_tflite(file_of("convolutional")))


def test_first_depthwise_layer_with_a_multiplier_is_a_convolution(monkeypatch):
    monkeypatch.setitem(NETWORKS, "greyscale", (greyscale_depthwise, (8, 8, 1)))
    graph = import_tflite(file_of("greyscale"))
    assert kinds(graph)[0] is Conv2D
    assert DepthwiseConv2D not in kinds(graph)


def refusal(data):
    with pytest.raises(AgilennError) as caught:
        import_tflite(data)
    assert caught.value.exit_code is ExitCode.UNSUPPORTED
    assert all(d.hint for d in caught.value.diagnostics)
    return [d.message for d in caught.value.diagnostics]


def test_everything_unsupported_is_listed_with_its_reason():
    inputs = keras.Input((8, 8, 4))
    tensor = layers.Conv2D(4, 3, dilation_rate=2, padding="same", activation="tanh")(inputs)
    tensor = layers.Conv2D(8, 3, groups=2, padding="same")(tensor)
    tensor = layers.DepthwiseConv2D(3, depth_multiplier=2)(tensor)
    tensor = layers.UpSampling2D(2)(tensor)
    outputs = layers.Activation("sigmoid")(layers.Dense(3)(layers.Flatten()(tensor)))
    messages = refusal(int8_model(keras.Model(inputs, outputs), (8, 8, 4)))
    text = "\n".join(messages)
    for expected in ("TANH", "grouped: 2 of 4", "depth multiplier is 2", "RESIZE", "LOGISTIC"):
        assert expected in text, text
    assert len(messages) >= 5


def test_a_float_model_is_told_to_quantise():
    inputs = keras.Input((6, 6, 1))
    model = keras.Model(inputs, layers.Dense(2)(layers.Flatten()(inputs)))
    data = tf.lite.TFLiteConverter.from_keras_model(model).convert()
    text = "\n".join(refusal(data))
    assert "float32, not int8" in text
    assert "nothing quantises" in text


def test_two_inputs_and_an_image_as_answer():
    first, second = keras.Input((4, 4, 2)), keras.Input((4, 4, 2))
    model = keras.Model([first, second], layers.Conv2D(3, 1)(layers.Add()([first, second])))
    rng = np.random.default_rng(0)
    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    sample = rng.uniform(0, 1, (1, 4, 4, 2)).astype(np.float32)
    converter.representative_dataset = lambda: ([sample, sample] for _ in range(4))
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = converter.inference_output_type = tf.int8
    text = "\n".join(refusal(converter.convert()))
    assert "2 inputs and 1 outputs" in text
    assert "yields shape [1, 4, 4, 3]" in text


@pytest.mark.parametrize("keep", [0, 4, 8, 40, 200, 1000])
def test_damaged_files_end_in_a_message(keep):
    messages = refusal(file_of("fully_connected")[:keep])
    assert "readable .tflite file" in messages[0]


def test_flipped_bytes_never_end_in_a_traceback():
    data, rng = file_of("pixel_head"), np.random.default_rng(5)
    refused = 0
    for _ in range(150):
        damaged = bytearray(data)
        for place in rng.integers(8, len(data), 3):
            damaged[place] = int(rng.integers(256))
        try:
            import_tflite(bytes(damaged))
        except AgilennError:
            refused += 1
    assert refused > 10
