"""The integer reference against the TFLite interpreter, operator by operator."""

import numpy as np
import pytest

from agilenn_cc.ir import GraphBuilder
from agilenn_cc.ir.reference import run_quantised
from agilenn_cc.ir.types import TensorType

keras = pytest.importorskip("tf_keras")
tf = pytest.importorskip("tensorflow")


def convert(model, samples):
    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: ([s[None]] for s in samples)
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = tf.int8
    converter.inference_output_type = tf.int8
    return converter.convert()


class Interpreter:
    """One converted layer: its quantised tensors, and outputs for int8 inputs."""

    def __init__(self, model, shape, seed):
        rng = np.random.default_rng(seed)
        samples = rng.normal(size=(32, *shape)).astype(np.float32)
        self.interpreter = tf.lite.Interpreter(
            model_content=convert(model, samples),
            experimental_op_resolver_type=tf.lite.experimental.OpResolverType.BUILTIN_REF,
            experimental_preserve_all_tensors=True,
        )
        self.interpreter.allocate_tensors()
        self.inputs = self.interpreter.get_input_details()
        self.output = self.interpreter.get_output_details()[0]

    def scale(self, detail):
        parameters = detail["quantization_parameters"]
        return parameters["scales"], parameters["zero_points"]

    def constants(self):
        """Return (weights, weight scales, bias) of the only layer."""
        details = [d for d in self.interpreter.get_tensor_details() if d["name"]]
        named = [d for d in details if d["index"] not in self.used()]
        weights = next(d for d in named if d["dtype"] == np.int8 and len(d["shape"]) > 1)
        bias = next(d for d in named if d["dtype"] == np.int32 and len(d["shape"]) == 1)
        tensor = self.interpreter.get_tensor
        return tensor(weights["index"]), self.scale(weights)[0], tensor(bias["index"])

    def used(self):
        return {d["index"] for d in (*self.inputs, self.output)}

    def run(self, images):
        rows = []
        for image in images:
            self.interpreter.set_tensor(self.inputs[0]["index"], image[None])
            self.interpreter.invoke()
            rows.append(self.interpreter.get_tensor(self.output["index"])[0])
        return np.stack(rows)


class TypedBuilder(GraphBuilder):
    """A builder whose input has any scale."""

    def typed_input(self, shape, scale, zero_point):
        name = self.input(shape)
        self._tensors[name] = TensorType(tuple(shape), scale, zero_point)
        return name


def compare(layers, shape, build, seed=1):
    keras.utils.set_random_seed(seed)
    model = keras.Sequential([keras.layers.Input(shape, batch_size=1), *layers])
    interpreter = Interpreter(model, shape, seed)
    (scale,), (zero,) = interpreter.scale(interpreter.inputs[0])
    (out_scale,), (out_zero,) = interpreter.scale(interpreter.output)
    builder = TypedBuilder("layer")
    source = builder.typed_input(shape, scale, zero)
    name = build(builder, source, interpreter, float(out_scale), int(out_zero))
    graph = builder.finish((name,))
    images = np.random.default_rng(seed).integers(-128, 128, (8, *shape)).astype(np.int8)
    assert np.array_equal(run_quantised(graph, {source: images})[name], interpreter.run(images))


@pytest.mark.parametrize(
    ("shape", "filters", "kernel", "stride"),
    [
        ((9, 8, 3), 7, (3, 3), (2, 2)),
        ((8, 8, 5), 4, (1, 1), (1, 1)),
        ((12, 7, 1), 3, (5, 2), (3, 1)),
    ],
)
def test_convolution(shape, filters, kernel, stride):
    def build(builder, source, interpreter, scale, zero):
        weights, scales, bias = interpreter.constants()
        return builder.conv2d(
            "conv",
            source,
            weights,
            scales,
            bias,
            scale=scale,
            zero_point=zero,
            stride=stride,
            activation="relu6",
        )

    layer = keras.layers.Conv2D(
        filters, kernel, stride, padding="same", activation="relu6", bias_initializer="normal"
    )
    compare([layer], shape, build)


@pytest.mark.parametrize(("kernel", "stride"), [((3, 3), (1, 1)), ((3, 3), (2, 2))])
def test_depthwise_convolution(kernel, stride):
    def build(builder, source, interpreter, scale, zero):
        weights, scales, bias = interpreter.constants()
        return builder.depthwise(
            "dw",
            source,
            weights[0],
            scales,
            bias,
            scale=scale,
            zero_point=zero,
            stride=stride,
            activation="relu",
        )

    layer = keras.layers.DepthwiseConv2D(
        kernel, stride, padding="same", activation="relu", bias_initializer="normal"
    )
    compare([layer], (9, 10, 6), build)


def test_fully_connected():
    def build(builder, source, interpreter, scale, zero):
        weights, scales, bias = interpreter.constants()
        scales = np.broadcast_to(scales, len(weights))
        return builder.dense("fc", source, weights, scales, bias, scale=scale, zero_point=zero)

    compare([keras.layers.Dense(10, bias_initializer="normal")], (40,), build)


@pytest.mark.parametrize("pool", ["AveragePooling2D", "MaxPooling2D"])
def test_pooling(pool):
    def build(builder, source, _interpreter, _scale, _zero):
        make = builder.average_pool if pool.startswith("Average") else builder.max_pool
        return make("pool", source, (3, 2), (2, 2))

    layer = getattr(keras.layers, pool)((3, 2), strides=(2, 2), padding="same")
    compare([layer], (9, 7, 4), build)


def test_mean_over_rows_and_columns():
    def build(builder, source, _interpreter, scale, zero):
        return builder.mean("gap", source, scale=scale, zero_point=zero)

    compare([keras.layers.GlobalAveragePooling2D()], (7, 9, 5), build)


@pytest.mark.parametrize("classes", [2, 10, 31])
def test_softmax(classes):
    def build(builder, source, _interpreter, _scale, _zero):
        return builder.softmax("softmax", source)

    compare([keras.layers.Softmax()], (classes,), build)


def test_add_of_a_tensor_and_its_pool():
    shape = (6, 6, 3)
    first = keras.layers.Input(shape, batch_size=1)
    pooled = keras.layers.MaxPooling2D(3, strides=1, padding="same")(first)
    model = keras.Model(first, keras.layers.Add()([first, pooled]))
    interpreter = Interpreter(model, shape, 3)
    (scale,), (zero,) = interpreter.scale(interpreter.inputs[0])
    (out_scale,), (out_zero,) = interpreter.scale(interpreter.output)
    builder = TypedBuilder("sum")
    source = builder.typed_input(shape, scale, zero)
    pool = builder.max_pool("pool", source, (3, 3), (1, 1))
    name = builder.add("add", source, pool, scale=float(out_scale), zero_point=int(out_zero))
    graph = builder.finish((name,))
    images = np.random.default_rng(3).integers(-128, 128, (8, *shape)).astype(np.int8)
    assert np.array_equal(run_quantised(graph, {source: images})[name], interpreter.run(images))
