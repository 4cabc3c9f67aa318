"""Compares the integer reference with TFLite's own reference kernels."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from agilenn_cc.ir import Graph, reference
from agilenn_cc.learn.backend import quiet_native_logs, tf
from agilenn_cc.quantise.model import QuantisedModel


@dataclass(frozen=True)
class Agreement:
    """How many int8 values are equal, off by one, or off by more."""

    equal: int
    off_by_one: int
    worse: int

    def __add__(self, other: Agreement) -> Agreement:
        return Agreement(
            self.equal + other.equal,
            self.off_by_one + other.off_by_one,
            self.worse + other.worse,
        )


def compare(ours: npt.NDArray[np.int8], theirs: npt.NDArray[np.int8]) -> Agreement:
    """Count agreement value by value."""
    difference = np.abs(ours.astype(np.int16) - theirs)
    equal, one = int((difference == 0).sum()), int((difference == 1).sum())
    return Agreement(equal, one, difference.size - equal - one)


def run_tflite(model: bytes, inputs: npt.NDArray[np.int8]) -> npt.NDArray[np.int8]:
    """Return the int8 outputs [N, ...] of a .tflite model for `inputs` [N, ...].

    The reference kernels are used: the optimised ones (XNNPACK) round differently.
    """
    outputs: npt.NDArray[np.int8] = _run_all(_interpreter(model), inputs)
    return outputs


def _interpreter(model: bytes) -> Any:
    with quiet_native_logs():
        interpreter = tf.lite.Interpreter(
            model_content=model,
            experimental_op_resolver_type=tf.lite.experimental.OpResolverType.BUILTIN_REF,
        )
        interpreter.allocate_tensors()
    return interpreter


def _run_all(interpreter: Any, inputs: npt.NDArray[Any]) -> npt.NDArray[Any]:
    source = interpreter.get_input_details()[0]["index"]
    result = interpreter.get_output_details()[0]["index"]
    outputs = []
    for sample in inputs:
        interpreter.set_tensor(source, sample[None])
        interpreter.invoke()
        outputs.append(interpreter.get_tensor(result)[0])
    return np.stack(outputs)


def imported_agreement(model: bytes, graph: Graph, images: npt.NDArray[np.uint8]) -> dict[str, int]:
    """Return the `verify.tflite` part of the report of an imported .tflite model.

    `graph` is what `import_tflite` made of it, `images` uint8 [N, H, W, C] are the device's input.
    """
    interpreter = _interpreter(model)
    asked = interpreter.get_input_details()[0]
    source, result = graph.tensors[graph.inputs[0]], graph.tensors[graph.outputs[0]]
    inputs: npt.NDArray[Any] = images
    if asked["dtype"] is not np.uint8:
        inputs = (images.astype(np.int16) - 128).astype(np.int8)
    if asked["dtype"] is np.float32:
        inputs = (source.scale * (inputs.astype(np.float32) - source.zero_point)).astype(np.float32)
    theirs = _run_all(interpreter, inputs.reshape(len(images), *asked["shape"][1:]))
    if theirs.dtype == np.float32:
        theirs = np.clip(np.round(theirs / result.scale) + result.zero_point, -128, 127)
    elif theirs.dtype == np.uint8:
        theirs = theirs.astype(np.int16) - 128
    ours = reference.run(graph, images)[graph.outputs[0]]
    return asdict(compare(ours, theirs.astype(np.int8).reshape(ours.shape)))


def agreement(quantised: QuantisedModel, images: npt.NDArray[np.uint8]) -> dict[str, int]:
    """Return the `verify.tflite` part of the report over raw `images` uint8 [N, H, W, C].

    Extractor and local net are compared each on the integer reference's own input, so that one
    difference is not counted twice. Without .tflite models (an untrained network) all are zero.
    """
    total = Agreement(0, 0, 0)
    if quantised.tflite:
        tensors = reference.run(quantised.graph, images)
        pixels = (images.astype(np.int16) - 128).astype(np.int8)
        pairs = (("extractor", pixels, "features"), ("local", tensors["top"], "logits"))
        for name, inputs, output in pairs:
            total += compare(tensors[output], run_tflite(quantised.tflite[name], inputs))
    return {"equal": total.equal, "off_by_one": total.off_by_one, "worse": total.worse}
