"""Imports an int8 .tflite file as a network that runs on the device as a whole."""

from __future__ import annotations

from collections.abc import Iterator

from agilenn_cc.errors import AgilennError, Diagnostic, ExitCode
from agilenn_cc.ir import Graph, GraphBuilder
from agilenn_cc.quantise.tflite_checks import sample_shape
from agilenn_cc.quantise.tflite_operators import (
    OperatorImporter,
    operator_diagnostics,
    refuse,
)
from agilenn_cc.quantise.tflite_reader import FlatModel, FlatOperator

_NAMES = {
    "CONV_2D": "conv",
    "DEPTHWISE_CONV_2D": "depthwise",
    "FULLY_CONNECTED": "dense",
    "AVERAGE_POOL_2D": "average_pool",
    "MAX_POOL_2D": "max_pool",
}
OUTPUT = "logits"
_DAMAGE = (ArithmeticError, AssertionError, AttributeError, LookupError, TypeError, ValueError)
"""What the checks and the builder raise where a file's tables do not fit together."""


def import_tflite(data: bytes, name: str = "model") -> Graph:
    """Return the graph of a .tflite file with one input and one output vector, `logits`.

    A byte of the device's input is the quantised value plus 128, whatever the file's input type:
    the very byte of a uint8 input, and `round(x / scale) + zero point + 128` of a float32 one. An
    input vector of N values becomes an image of one row, N columns and one channel. Scale and zero
    point of the outputs are those of the file, before a final DEQUANTIZE.

    Raises `AgilennError` (exit 4) with a diagnostic for each thing that cannot be imported.
    """
    model = FlatModel(data)
    try:
        return _import(model, name)
    except _DAMAGE as error:
        raise AgilennError.of(
            ExitCode.UNSUPPORTED,
            "quantise.tflite-file",
            f"the .tflite model contradicts itself: {error or type(error).__name__}",
            hint="export the model again with TFLiteConverter, and copy the file in binary",
        ) from error


def _import(model: FlatModel, name: str) -> Graph:
    refuse([*_interface_diagnostics(model), *operator_diagnostics(model)])
    builder = GraphBuilder(name)
    source = _input(model)
    kind = model.tensors[source]
    shape = _input_shape(model, source)
    if shape is None:
        raise ValueError(f"no shape for the input {list(kind.shape)}")
    pixels = builder.input(shape, scale=kind.scale, zero_point=kind.zero_point)
    result = OperatorImporter(model, builder, _operator_name, OUTPUT).run(pixels)
    answer = builder.type_of(result)
    if answer.is_image:
        result = builder.reshape(f"{result}_flat", result, (answer.channels,))
    return builder.finish((result,))


def _operator_name(operator: FlatOperator) -> str:
    return f"{_NAMES.get(operator.kind, operator.kind.lower())}_{operator.number}"


def _input(model: FlatModel) -> int:
    """Return the tensor that holds the input's integers: behind a QUANTIZE if there is one."""
    index = model.inputs[0]
    readers = model.consumers(index)
    if len(readers) == 1 and readers[0].kind == "QUANTIZE":
        return readers[0].outputs[0]
    return index


def _input_shape(model: FlatModel, index: int) -> tuple[int, int, int] | None:
    """Return the input as (rows, columns, channels); a reshape that begins the network decides."""
    readers = model.consumers(index)
    candidates = [model.tensors[index]]
    if len(readers) == 1 and readers[0].kind in ("RESHAPE", "EXPAND_DIMS"):
        candidates.insert(0, model.tensors[readers[0].outputs[0]])
    for tensor in candidates:
        shape = sample_shape(tensor)
        if shape is not None and len(shape) == 3:
            return shape[0], shape[1], shape[2]
    shape = model.tensors[index].shape
    if len(shape) == 2 and shape[0] == 1:
        return 1, shape[1], 1
    if len(shape) == 3 and shape[0] == 1:
        return shape[1], shape[2], 1
    return None


def _interface_diagnostics(model: FlatModel) -> Iterator[Diagnostic]:
    def finding(message: str, hint: str) -> Diagnostic:
        return Diagnostic("quantise.unsupported", f"the .tflite model {message}", hint=hint)

    if len(model.inputs) != 1 or len(model.outputs) != 1:
        counts = f"{len(model.inputs)} inputs and {len(model.outputs)} outputs"
        yield finding(f"has {counts}, one of each is available", "export one function of one image")
    for index in model.inputs[:1]:
        tensor = model.tensors[index]
        if _input_shape(model, _input(model)) is None:
            yield finding(
                f"takes an input of shape {list(tensor.shape)}",
                "one image [1, rows, columns, channels] or one vector [1, values] is available",
            )
        if tensor.dtype != "int8" and not any(
            op.kind == "QUANTIZE" for op in model.consumers(index)
        ):
            yield finding(
                f"has an input of {tensor.dtype} that nothing quantises",
                "convert with full integer quantisation: TFLITE_BUILTINS_INT8",
            )
        elif tensor.dtype != "int8" and len(model.consumers(index)) != 1:
            yield finding(
                f"reads its {tensor.dtype} input more than once", "set inference_input_type to int8"
            )
    for index in model.outputs[:1]:
        tensor = model.tensors[index]
        elements = 1
        for size in tensor.shape:
            elements *= size
        if elements != tensor.shape[-1]:
            yield finding(f"yields shape {list(tensor.shape)}", "one vector of scores is available")
