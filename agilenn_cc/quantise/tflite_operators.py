"""Adds the operators of a .tflite file to a graph builder, after all of them have been checked."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from agilenn_cc.errors import AgilennError, Diagnostic, ExitCode
from agilenn_cc.ir import GraphBuilder
from agilenn_cc.quantise.tflite_checks import SUPPORTED, computes_a_shape, problems, sample_shape
from agilenn_cc.quantise.tflite_reader import FlatModel, FlatOperator, FlatTensor

Namer = Callable[[FlatOperator], str]
Quantisation = tuple[float, int]
_SEPARATE_ACTIVATIONS = {"RELU": "relu", "RELU6": "relu6"}


def import_operators(
    model: FlatModel, builder: GraphBuilder, source: str, prefix: str, output: str
) -> str:
    """Add `model`'s operators behind the tensor `source`; its output becomes the tensor `output`.

    Other operators are called `prefix`_1, `prefix`_2 ... Multipliers use the scale of `source`, not
    the file's own input scale. Raises `AgilennError` (exit 4) that lists all operators that are not
    supported.
    """
    refuse(operator_diagnostics(model))
    return OperatorImporter(
        model, builder, lambda operator: f"{prefix}_{operator.number + 1}", output
    ).run(source)


def operator_diagnostics(model: FlatModel) -> list[Diagnostic]:
    """Return one diagnostic for each reason against each operator."""
    known = ", ".join(name.lower() for name in SUPPORTED)
    return [
        Diagnostic(
            "quantise.unsupported",
            f"operator {operator.number} of the .tflite model, {operator.kind}: {reason}",
            hint=f"available: {known}; see docs/operators.md",
        )
        for operator in model.operators
        for reason in problems(model, operator)
    ]


def refuse(diagnostics: list[Diagnostic]) -> None:
    """Raise `AgilennError` (exit 4) if there is any diagnostic."""
    if diagnostics:
        raise AgilennError(ExitCode.UNSUPPORTED, diagnostics)


class OperatorImporter:
    """Adds the operators of a checked model one after the other.

    `name_of` names an operator's tensor; the one that yields the model's output is called `output`.
    """

    def __init__(
        self, model: FlatModel, builder: GraphBuilder, name_of: Namer, output: str
    ) -> None:
        self._model, self._builder = model, builder
        self._name_of, self._output = name_of, output
        self._names: dict[int, str] = {}
        self._handlers: dict[str, Callable[[FlatOperator, str], str]] = {
            "CONV_2D": self._conv,
            "DEPTHWISE_CONV_2D": self._depthwise,
            "FULLY_CONNECTED": self._dense,
            "AVERAGE_POOL_2D": self._average_pool,
            "MAX_POOL_2D": self._max_pool,
            "MEAN": self._mean,
            "ADD": self._add,
            "PAD": self._pad,
            "SOFTMAX": self._softmax,
            "RESHAPE": self._reshape,
            "EXPAND_DIMS": self._reshape,
            "SQUEEZE": self._reshape,
            "RELU": self._rescale,
            "RELU6": self._rescale,
            "QUANTIZE": self._quantize,
            "DEQUANTIZE": self._keep,
        }

    def run(self, source: str) -> str:
        """Add all operators behind the tensor `source`; returns the name of the output."""
        self._names[self._model.inputs[0]] = source
        final = self._final_operator()
        for operator in self._model.operators:
            if operator.outputs[0] in self._names or computes_a_shape(self._model, operator):
                continue
            name = self._output if operator.number == final else self._name_of(operator)
            self._names[operator.outputs[0]] = self._handlers[operator.kind](operator, name)
        return self._names[self._model.outputs[0]]

    def _final_operator(self) -> int:
        """Return the number of the operator that computes what the output only passes on."""
        producers = {operator.outputs[0]: operator for operator in self._model.operators}
        operator = producers.get(self._model.outputs[0])
        while operator is not None:
            previous = producers.get(operator.inputs[0])
            folded = previous is not None and self._folded_activation(previous) is operator
            if not (folded or operator.kind == "DEQUANTIZE" or self._is_output_quantize(operator)):
                return operator.number
            operator = previous
        return -1

    def _is_output_quantize(self, operator: FlatOperator) -> bool:
        return (
            operator.kind == "QUANTIZE"
            and self._tensor(operator.outputs[0]).dtype != "int8"
            and operator.outputs[0] in self._model.outputs
        )

    def _tensor(self, index: int) -> FlatTensor:
        return self._model.tensors[index]

    def _source(self, operator: FlatOperator) -> str:
        return self._names[operator.inputs[0]]

    def _result(self, operator: FlatOperator) -> FlatTensor:
        return self._tensor(operator.outputs[0])

    def _folded_activation(self, operator: FlatOperator) -> FlatOperator | None:
        """Return the separate activation that an operator can take over: it only clamps."""
        readers = self._model.consumers(operator.outputs[0])
        if len(readers) != 1 or readers[0].kind not in _SEPARATE_ACTIVATIONS:
            return None
        if operator.kind not in _FUSING or operator.activation is not None:
            return None
        if operator.outputs[0] in self._model.outputs:
            return None
        same = self._result(operator).quantisation == self._result(readers[0]).quantisation
        return readers[0] if same else None

    def _activation(self, operator: FlatOperator, name: str) -> str | None:
        follower = self._folded_activation(operator)
        if follower is None:
            return operator.activation
        self._names[follower.outputs[0]] = name
        return _SEPARATE_ACTIVATIONS[follower.kind]

    def _bias(self, operator: FlatOperator, channels: int) -> npt.NDArray[np.int32]:
        if len(operator.inputs) < 3 or operator.inputs[2] < 0:
            return np.zeros(channels, dtype=np.int32)
        return self._tensor(operator.inputs[2]).constant().astype(np.int32)

    def _conv(self, operator: FlatOperator, name: str) -> str:
        weights = self._tensor(operator.inputs[1])
        return self._convolve(operator, name, weights.constant(), weights)

    def _convolve(
        self, operator: FlatOperator, name: str, values: npt.NDArray[np.int8], weights: FlatTensor
    ) -> str:
        result = self._result(operator)
        return self._builder.conv2d(
            name,
            self._source(operator),
            values,
            weights.channel_scales(len(values)),
            self._bias(operator, len(values)),
            scale=result.scale,
            zero_point=result.zero_point,
            stride=operator.stride,
            padding=operator.padding,
            activation=self._activation(operator, name),
        )

    def _depthwise(self, operator: FlatOperator, name: str) -> str:
        weights = self._tensor(operator.inputs[1])
        values, channels = weights.constant(), weights.shape[3]
        if self._builder.type_of(self._source(operator)).channels != channels:
            # One input channel to several outputs: a convolution with one input channel.
            return self._convolve(operator, name, values.transpose(3, 1, 2, 0), weights)
        result = self._result(operator)
        return self._builder.depthwise(
            name,
            self._source(operator),
            values[0],
            weights.channel_scales(channels),
            self._bias(operator, channels),
            scale=result.scale,
            zero_point=result.zero_point,
            stride=operator.stride,
            padding=operator.padding,
            activation=self._activation(operator, name),
        )

    def _dense(self, operator: FlatOperator, name: str) -> str:
        weights, result = self._tensor(operator.inputs[1]), self._result(operator)
        return self._builder.dense(
            name,
            self._source(operator),
            weights.constant(),
            weights.channel_scales(weights.shape[0]),
            self._bias(operator, weights.shape[0]),
            scale=result.scale,
            zero_point=result.zero_point,
            activation=self._activation(operator, name),
        )

    def _average_pool(self, operator: FlatOperator, name: str) -> str:
        return self._pool(self._builder.average_pool, operator, name)

    def _max_pool(self, operator: FlatOperator, name: str) -> str:
        return self._pool(self._builder.max_pool, operator, name)

    def _pool(self, add: Callable[..., str], operator: FlatOperator, name: str) -> str:
        options = operator.options
        return add(
            name,
            self._source(operator),
            (int(options.filterHeight), int(options.filterWidth)),
            operator.stride,
            operator.padding,
            self._activation(operator, name),
        )

    def _mean(self, operator: FlatOperator, name: str) -> str:
        result = self._result(operator)
        keeps = len(result.shape) == 4
        vector = self._builder.mean(
            f"{name}_vector" if keeps else name,
            self._source(operator),
            scale=result.scale,
            zero_point=result.zero_point,
        )
        return self._builder.reshape(name, vector, result.shape[1:]) if keeps else vector

    def _add(self, operator: FlatOperator, name: str) -> str:
        result = self._result(operator)
        return self._builder.add(
            name,
            *(self._names[i] for i in operator.inputs[:2]),
            scale=result.scale,
            zero_point=result.zero_point,
            activation=self._activation(operator, name),
        )

    def _pad(self, operator: FlatOperator, name: str) -> str:
        sizes = self._tensor(operator.inputs[1]).constant()
        (top, bottom), (left, right) = (map(int, sizes[axis]) for axis in (1, 2))
        return self._builder.pad(name, self._source(operator), (top, bottom, left, right))

    def _softmax(self, operator: FlatOperator, name: str) -> str:
        source = self._source(operator)
        kind = self._builder.type_of(source)
        if kind.is_image:
            source = self._builder.reshape(f"{name}_scores", source, (kind.channels,))
        return self._builder.softmax(name, source, float(operator.options.beta))

    def _reshape(self, operator: FlatOperator, name: str) -> str:
        source, shape = self._source(operator), sample_shape(self._result(operator))
        assert shape is not None
        # The input's shape was chosen to be this one: its bytes lie in the same order.
        if self._builder.type_of(source).shape == shape and name != self._output:
            return source
        return self._builder.reshape(name, source, shape)

    def _quantize(self, operator: FlatOperator, name: str) -> str:
        source, result = self._tensor(operator.inputs[0]), self._result(operator)
        if source.dtype == "int8" == result.dtype:
            return self._rescale(operator, name)
        return self._source(operator)

    def _keep(self, operator: FlatOperator, name: str) -> str:
        return self._source(operator)

    def _rescale(self, operator: FlatOperator, name: str) -> str:
        """Change scale and zero point, and clamp: a product with one, channel by channel."""
        source, result = self._source(operator), self._result(operator)
        kind = self._builder.type_of(source)
        channels = kind.channels
        activation = _SEPARATE_ACTIVATIONS.get(operator.kind)
        zeros, ones = np.zeros(channels, dtype=np.int32), np.ones(channels)
        scale, zero_point = result.quantisation
        if kind.is_image:
            return self._builder.depthwise(
                name,
                source,
                np.ones((1, 1, channels), dtype=np.int8),
                ones,
                zeros,
                scale=scale,
                zero_point=zero_point,
                activation=activation,
            )
        return self._builder.dense(
            name,
            source,
            np.eye(channels, dtype=np.int8),
            ones,
            zeros,
            scale=scale,
            zero_point=zero_point,
            activation=activation,
        )


_FUSING = (
    "CONV_2D",
    "DEPTHWISE_CONV_2D",
    "FULLY_CONNECTED",
    "ADD",
    "AVERAGE_POOL_2D",
    "MAX_POOL_2D",
)
