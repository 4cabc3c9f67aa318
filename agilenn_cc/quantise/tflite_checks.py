"""Says of each operator of a .tflite file why it cannot become one of the int8 graph."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from agilenn_cc.quantise.tflite_reader import FlatModel, FlatOperator, FlatTensor

LARGEST_IDENTITY = 128
"""Values of a vector that may still be rescaled by an identity matrix."""

_SHAPE_KINDS = ("SHAPE", "STRIDED_SLICE", "PACK")


def sample_shape(tensor: FlatTensor) -> tuple[int, ...] | None:
    """Return a tensor's shape without its batch of one, or None if it has no such form."""
    shape = tensor.shape
    if len(shape) in (2, 4) and shape[0] == 1 and min(shape) > 0:
        return shape[1:]
    return None


def computes_a_shape(model: FlatModel, operator: FlatOperator) -> bool:
    """Tell whether an operator only computes the shape operand of a reshape: sizes are known."""
    return operator.kind in _SHAPE_KINDS and all(
        model.tensors[i].dtype == "int32" for i in operator.outputs
    )


def problems(model: FlatModel, operator: FlatOperator) -> list[str]:
    """Return every reason against an operator, from the file alone."""
    if computes_a_shape(model, operator):
        return []
    check = _CHECKS.get(operator.kind)
    if check is None:
        return ["this operator is not available on the device"]
    return [*_operand_problems(model, operator), *check(model, operator)]


def _operands(model: FlatModel, operator: FlatOperator) -> list[FlatTensor]:
    """Return the tensors that carry values of the network, without weights and parameters."""
    count = 2 if operator.kind == "ADD" else 1
    return [model.tensors[i] for i in (*operator.inputs[:count], *operator.outputs[:1]) if i >= 0]


def _operand_problems(model: FlatModel, operator: FlatOperator) -> Iterator[str]:
    if operator.activation not in (None, "relu", "relu6"):
        yield f"its activation {operator.activation} is not available; relu and relu6 are"
    if operator.kind in ("QUANTIZE", "DEQUANTIZE"):
        return
    for tensor in _operands(model, operator):
        if tensor.dtype != "int8":
            yield (
                f"tensor '{tensor.name}' is {tensor.dtype}, not int8: "
                "convert with full integer quantisation"
            )
        elif len(tensor.scales) != 1:
            yield f"tensor '{tensor.name}' has {len(tensor.scales)} scales instead of 1"
        elif tensor.data is not None:
            yield f"tensor '{tensor.name}' is constant; only weights may be"


def _weight_problems(model: FlatModel, operator: FlatOperator, rank: int) -> Iterator[str]:
    weights = model.tensors[operator.inputs[1]]
    if weights.data is None or weights.dtype != "int8" or weights.data.ndim != rank:
        yield f"its weights '{weights.name}' are not a constant of int8 with {rank} dimensions"
    elif not len(weights.scales):
        yield f"its weights '{weights.name}' are not quantised"
    elif any(weights.zero_points):
        yield f"its weights '{weights.name}' have a zero point, which must be 0"
    if len(operator.inputs) > 2 and operator.inputs[2] >= 0:
        bias = model.tensors[operator.inputs[2]]
        if bias.data is None or bias.dtype != "int32":
            yield f"its bias '{bias.name}' is {bias.dtype}, not a constant of int32"


def _image(model: FlatModel, operator: FlatOperator) -> Iterator[str]:
    for tensor in _operands(model, operator):
        if len(tensor.shape) != 4 or tensor.shape[0] != 1:
            yield f"tensor '{tensor.name}' of shape {list(tensor.shape)} is not one image"


def _dilation(operator: FlatOperator) -> Iterator[str]:
    factors = (operator.options.dilationHFactor, operator.options.dilationWFactor)
    if factors != (1, 1):
        yield f"its dilation is {factors[0]}x{factors[1]}; 1x1 is available"


def _conv(model: FlatModel, operator: FlatOperator) -> Iterator[str]:
    yield from _image(model, operator)
    yield from _dilation(operator)
    yield from _weight_problems(model, operator, 4)
    source, weights = (model.tensors[i] for i in operator.inputs[:2])
    if weights.shape[-1:] != source.shape[-1:]:
        yield f"it is grouped: {weights.shape[-1]} of {source.shape[-1]} channels to each output"


def _depthwise(model: FlatModel, operator: FlatOperator) -> Iterator[str]:
    yield from _image(model, operator)
    yield from _dilation(operator)
    yield from _weight_problems(model, operator, 4)
    source, weights = (model.tensors[i] for i in operator.inputs[:2])
    channels, outputs = source.shape[-1], weights.shape[-1]
    if channels not in (1, outputs):
        yield f"its depth multiplier is {outputs // channels}; 1 is available"


def _dense(model: FlatModel, operator: FlatOperator) -> Iterator[str]:
    yield from _weight_problems(model, operator, 2)
    source, weights = (model.tensors[i] for i in operator.inputs[:2])
    elements = 1
    for size in source.shape:
        elements *= size
    if weights.shape[-1:] != (elements,):
        yield f"it is applied to shape {list(source.shape)} row by row; flatten before it"


def _pool(model: FlatModel, operator: FlatOperator) -> Iterator[str]:
    yield from _image(model, operator)
    yield from _same_quantisation(model, operator)


def _same_quantisation(model: FlatModel, operator: FlatOperator) -> Iterator[str]:
    tensors = [model.tensors[operator.inputs[0]], model.tensors[operator.outputs[0]]]
    if all(len(tensor.scales) == 1 for tensor in tensors):
        before, after = (tensor.quantisation for tensor in tensors)
        if before != after:
            yield f"it changes the quantisation from {before} to {after}"


def _mean(model: FlatModel, operator: FlatOperator) -> Iterator[str]:
    source = model.tensors[operator.inputs[0]]
    axes = model.tensors[operator.inputs[1]].data
    if len(source.shape) != 4 or source.shape[0] != 1:
        yield f"tensor '{source.name}' of shape {list(source.shape)} is not one image"
    elif axes is None:
        yield "its axes are not constant"
    else:
        found = sorted(int(axis) % 4 for axis in axes.ravel())
        if found != [1, 2]:
            yield f"it runs over axes {found}; rows and columns [1, 2] are available"


def _add(model: FlatModel, operator: FlatOperator) -> Iterator[str]:
    first, second = (model.tensors[i] for i in operator.inputs[:2])
    if first.shape != second.shape:
        yield f"it adds shapes {list(first.shape)} and {list(second.shape)}"


def _pad(model: FlatModel, operator: FlatOperator) -> Iterator[str]:
    yield from _image(model, operator)
    yield from _same_quantisation(model, operator)
    sizes = model.tensors[operator.inputs[1]].data
    if sizes is None:
        yield "its sizes are not constant"
    elif sizes.shape != (4, 2) or sizes[[0, 3]].any():
        yield "it pads samples or channels; rows and columns are available"


def _softmax(model: FlatModel, operator: FlatOperator) -> Iterator[str]:
    source, result = model.tensors[operator.inputs[0]], model.tensors[operator.outputs[0]]
    elements = 1
    for size in source.shape:
        elements *= size
    if elements != source.shape[-1]:
        yield f"it runs over shape {list(source.shape)}; one vector is available"
    if len(result.scales) == 1 and result.quantisation != (1 / 256, -128):
        yield f"its output has quantisation {result.quantisation} instead of (1/256, -128)"


def _reshape(model: FlatModel, operator: FlatOperator) -> Iterator[str]:
    yield from _same_quantisation(model, operator)
    source, result = model.tensors[operator.inputs[0]], model.tensors[operator.outputs[0]]
    flat = len(result.shape) == 2 and result.shape[0] == 1
    pixel = len(result.shape) == 4 and result.shape[:3] == (1, 1, 1)
    same = len(source.shape) == 4 and source.shape == result.shape
    first = operator.inputs[0] in _input_tensors(model) and sample_shape(result) is not None
    if not (flat or pixel or same or (first and len(model.consumers(operator.inputs[0])) == 1)):
        yield (
            f"it turns shape {list(source.shape)} into {list(result.shape)}; "
            "rows stream in one order, so only flattening is available"
        )


def _input_tensors(model: FlatModel) -> set[int]:
    """Return the input and, where a QUANTIZE follows it, the tensor behind."""
    found = set(model.inputs)
    for operator in model.operators:
        if operator.kind == "QUANTIZE" and operator.inputs[0] in model.inputs:
            found.update(operator.outputs)
    return found


def _relu(model: FlatModel, operator: FlatOperator) -> Iterator[str]:
    yield from _rescaling(model, operator)


def _quantize(model: FlatModel, operator: FlatOperator) -> Iterator[str]:
    source, result = model.tensors[operator.inputs[0]], model.tensors[operator.outputs[0]]
    if source.dtype == "int8" == result.dtype:
        yield from _rescaling(model, operator)
    elif operator.inputs[0] in model.inputs:
        if result.dtype != "int8":
            yield f"it makes {result.dtype} of the input, not int8"
        elif source.dtype == "uint8":
            shifted = (result.scale, result.zero_point + 128)
            if source.quantisation != shifted:
                yield f"it rescales the input from {source.quantisation} to {result.quantisation}"
        elif source.dtype != "float32":
            yield f"the input is {source.dtype}; int8, uint8 and float32 are available"
    elif operator.outputs[0] not in model.outputs:
        yield f"it turns {source.dtype} into {result.dtype} inside the network"


def _rescaling(model: FlatModel, operator: FlatOperator) -> Iterator[str]:
    source, result = model.tensors[operator.inputs[0]], model.tensors[operator.outputs[0]]
    vector = len(source.shape) < 4
    if (
        vector
        and source.shape[-1] > LARGEST_IDENTITY
        and source.quantisation != result.quantisation
    ):
        yield f"it rescales a vector of {source.shape[-1]}; up to {LARGEST_IDENTITY} are available"


def _dequantize(model: FlatModel, operator: FlatOperator) -> Iterator[str]:
    if operator.outputs[0] not in model.outputs:
        yield "it leaves int8 inside the network; only the output may be float32"


_CHECKS: dict[str, Callable[[FlatModel, FlatOperator], Iterator[str]]] = {
    "CONV_2D": _conv,
    "DEPTHWISE_CONV_2D": _depthwise,
    "FULLY_CONNECTED": _dense,
    "AVERAGE_POOL_2D": _pool,
    "MAX_POOL_2D": _pool,
    "MEAN": _mean,
    "ADD": _add,
    "PAD": _pad,
    "SOFTMAX": _softmax,
    "RESHAPE": _reshape,
    "EXPAND_DIMS": _reshape,
    "SQUEEZE": _reshape,
    "RELU": _relu,
    "RELU6": _relu,
    "QUANTIZE": _quantize,
    "DEQUANTIZE": _dequantize,
}

SUPPORTED = tuple(sorted(_CHECKS))
"""Operators that can be imported."""
