"""Reads an int8 .tflite flatbuffer operator by operator into a graph builder."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from agilenn_cc.errors import AgilennError, Diagnostic, ExitCode
from agilenn_cc.ir import GraphBuilder
from agilenn_cc.learn.backend import quiet_native_logs

with quiet_native_logs():
    from tensorflow.lite.python import schema_py_generated as schema

_ACTIVATIONS: dict[int, str | None] = {
    schema.ActivationFunctionType.NONE: None,
    schema.ActivationFunctionType.RELU: "relu",
    schema.ActivationFunctionType.RELU6: "relu6",
}
_PADDINGS: dict[int, str] = {schema.Padding.SAME: "same", schema.Padding.VALID: "valid"}
_DTYPES = {schema.TensorType.INT8: np.int8, schema.TensorType.INT32: np.int32}


@dataclass(frozen=True)
class FlatTensor:
    """A tensor of the flatbuffer: batch axis included; constants have `data`."""

    shape: tuple[int, ...]
    scales: npt.NDArray[np.float32]
    zero_point: int
    data: npt.NDArray[Any] | None

    @property
    def scale(self) -> float:
        """The per-tensor scale."""
        return float(self.scales[0])

    def channel_scales(self, channels: int) -> npt.NDArray[np.float64]:
        """One scale a channel, also where the tensor has one for all."""
        return np.broadcast_to(self.scales, (channels,)).astype(np.float64)

    def constant(self) -> npt.NDArray[Any]:
        """The values of a constant."""
        if self.data is None:
            raise ValueError("tensor is not constant")
        return self.data


class FlatModel:
    """The one subgraph of an int8 .tflite file."""

    def __init__(self, data: bytes) -> None:
        self._model = schema.ModelT.InitFromPackedBuf(data, 0)
        if len(self._model.subgraphs) != 1:
            raise _unsupported([f"{len(self._model.subgraphs)} subgraphs, 1 is supported"])
        self._graph = self._model.subgraphs[0]
        self.operators: list[Any] = list(self._graph.operators)

    def kind(self, operator: Any) -> str:
        """Return the name of an operator, such as CONV_2D."""
        code = self._model.operatorCodes[operator.opcodeIndex]
        value = max(code.builtinCode, code.deprecatedBuiltinCode)
        names = {v: k for k, v in vars(schema.BuiltinOperator).items() if k.isupper()}
        return str(names.get(value, f"operator {value}"))

    def tensor(self, index: int) -> FlatTensor:
        """Return the tensor at `index`."""
        raw = self._graph.tensors[index]
        buffer = self._model.buffers[raw.buffer].data
        shape = tuple(int(n) for n in raw.shape) if raw.shape is not None else ()
        data = None
        if buffer is not None and len(buffer) and raw.type in _DTYPES:
            data = np.frombuffer(bytes(buffer), dtype=_DTYPES[raw.type]).reshape(shape)
        quantisation = raw.quantization
        scales = getattr(quantisation, "scale", None)
        points = getattr(quantisation, "zeroPoint", None)
        return FlatTensor(
            shape,
            np.asarray(scales if scales is not None else [1.0], dtype=np.float32),
            int(points[0]) if points is not None and len(points) else 0,
            data,
        )

    @property
    def input(self) -> FlatTensor:
        """The input tensor."""
        return self.tensor(int(self._graph.inputs[0]))

    @property
    def input_index(self) -> int:
        """The input tensor's number."""
        return int(self._graph.inputs[0])

    @property
    def output_index(self) -> int:
        """The output tensor's number."""
        return int(self._graph.outputs[0])


class _Importer:
    def __init__(self, model: FlatModel, builder: GraphBuilder, prefix: str, output: str) -> None:
        self._model, self._builder = model, builder
        self._prefix, self._output = prefix, output
        self._names: dict[int, str] = {}

    def run(self, source: str) -> str:
        self._names[self._model.input_index] = source
        handlers: dict[str, Callable[[Any, str], str]] = {
            "CONV_2D": self._conv,
            "DEPTHWISE_CONV_2D": self._depthwise,
            "FULLY_CONNECTED": self._dense,
            "AVERAGE_POOL_2D": self._average_pool,
            "MAX_POOL_2D": self._max_pool,
            "MEAN": self._mean,
            "RESHAPE": self._reshape,
        }
        kinds = [self._model.kind(operator) for operator in self._model.operators]
        foreign = [f"operator {n}: {k}" for n, k in enumerate(kinds) if k not in handlers]
        if foreign:
            raise _unsupported(foreign)
        for number, (operator, kind) in enumerate(zip(self._model.operators, kinds, strict=True)):
            result = int(operator.outputs[0])
            name = f"{self._prefix}_{number + 1}"
            if result == self._model.output_index:
                name = self._output
            self._names[result] = handlers[kind](operator, name)
        return self._names[self._model.output_index]

    def _source(self, operator: Any) -> str:
        return self._names[int(operator.inputs[0])]

    def _result(self, operator: Any) -> FlatTensor:
        return self._model.tensor(int(operator.outputs[0]))

    def _bias(self, operator: Any, channels: int) -> npt.NDArray[np.int32]:
        if len(operator.inputs) < 3 or operator.inputs[2] < 0:
            return np.zeros(channels, dtype=np.int32)
        return self._model.tensor(int(operator.inputs[2])).constant().astype(np.int32)

    def _conv(self, operator: Any, name: str) -> str:
        options, weights = operator.builtinOptions, self._model.tensor(int(operator.inputs[1]))
        result = self._result(operator)
        return self._builder.conv2d(
            name,
            self._source(operator),
            weights.constant(),
            weights.channel_scales(weights.shape[0]),
            self._bias(operator, weights.shape[0]),
            scale=result.scale,
            zero_point=result.zero_point,
            stride=(options.strideH, options.strideW),
            padding=_PADDINGS[options.padding],
            activation=_ACTIVATIONS[options.fusedActivationFunction],
        )

    def _depthwise(self, operator: Any, name: str) -> str:
        options, weights = operator.builtinOptions, self._model.tensor(int(operator.inputs[1]))
        result = self._result(operator)
        return self._builder.depthwise(
            name,
            self._source(operator),
            weights.constant()[0],
            weights.channel_scales(weights.shape[3]),
            self._bias(operator, weights.shape[3]),
            scale=result.scale,
            zero_point=result.zero_point,
            stride=(options.strideH, options.strideW),
            padding=_PADDINGS[options.padding],
            activation=_ACTIVATIONS[options.fusedActivationFunction],
        )

    def _dense(self, operator: Any, name: str) -> str:
        options, weights = operator.builtinOptions, self._model.tensor(int(operator.inputs[1]))
        result = self._result(operator)
        return self._builder.dense(
            name,
            self._source(operator),
            weights.constant(),
            weights.channel_scales(weights.shape[0]),
            self._bias(operator, weights.shape[0]),
            scale=result.scale,
            zero_point=result.zero_point,
            activation=_ACTIVATIONS[options.fusedActivationFunction],
        )

    def _average_pool(self, operator: Any, name: str) -> str:
        return self._pool(self._builder.average_pool, operator, name)

    def _max_pool(self, operator: Any, name: str) -> str:
        return self._pool(self._builder.max_pool, operator, name)

    def _pool(self, add: Callable[..., str], operator: Any, name: str) -> str:
        options = operator.builtinOptions
        return add(
            name,
            self._source(operator),
            (options.filterHeight, options.filterWidth),
            (options.strideH, options.strideW),
            _PADDINGS[options.padding],
        )

    def _mean(self, operator: Any, name: str) -> str:
        axes = self._model.tensor(int(operator.inputs[1])).constant().ravel().tolist()
        if sorted(axes) != [1, 2]:
            raise _unsupported([f"MEAN over axes {axes}, only rows and columns are supported"])
        result = self._result(operator)
        return self._builder.mean(
            name, self._source(operator), scale=result.scale, zero_point=result.zero_point
        )

    def _reshape(self, operator: Any, name: str) -> str:
        return self._builder.reshape(name, self._source(operator), self._result(operator).shape[1:])


def import_operators(
    model: FlatModel, builder: GraphBuilder, source: str, prefix: str, output: str
) -> str:
    """Add `model`'s operators behind the tensor `source`; its output becomes the tensor `output`.

    Other operators are called `prefix`_1, `prefix`_2 ... Multipliers use the scale of `source`, not
    the flatbuffer's own input scale. Raises `AgilennError` (exit 4) that lists all operators that
    are not supported.
    """
    return _Importer(model, builder, prefix, output).run(source)


def _unsupported(reasons: list[str]) -> AgilennError:
    hint = "supported: convolution, depthwise convolution, dense, pooling, mean, reshape"
    return AgilennError(
        ExitCode.UNSUPPORTED,
        tuple(
            Diagnostic("quantise.unsupported", f"the .tflite model has {reason}", hint=hint)
            for reason in reasons
        ),
    )
