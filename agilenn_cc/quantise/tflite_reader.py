"""Reads a .tflite flatbuffer into plain values: tensors, operators, inputs and outputs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from agilenn_cc.errors import AgilennError, ExitCode
from agilenn_cc.learn.backend import quiet_native_logs

with quiet_native_logs():
    from tensorflow.lite.python import schema_py_generated as schema

IDENTIFIER = b"TFL3"
_DTYPES: dict[str, type[np.generic]] = {
    "int8": np.int8,
    "uint8": np.uint8,
    "int16": np.int16,
    "int32": np.int32,
    "int64": np.int64,
    "float32": np.float32,
}


def _names(enumeration: type) -> dict[int, str]:
    return {value: name for name, value in vars(enumeration).items() if name.isupper()}


_TENSOR_TYPES = {value: name.lower() for value, name in _names(schema.TensorType).items()}
_OPERATORS = _names(schema.BuiltinOperator)
_ACTIVATIONS = {
    value: name.lower() for value, name in _names(schema.ActivationFunctionType).items()
}
_PADDINGS = {value: name.lower() for value, name in _names(schema.Padding).items()}


@dataclass(frozen=True, eq=False)
class FlatTensor:
    """A tensor of the file: batch axis included; constants have `data`, others None.

    `scales` is empty where nothing is quantised; `dtype` is such as `int8`, `float32`.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    scales: npt.NDArray[np.float32]
    zero_points: tuple[int, ...]
    data: npt.NDArray[Any] | None

    @property
    def scale(self) -> float:
        """The per-tensor scale."""
        return float(self.scales[0])

    @property
    def zero_point(self) -> int:
        """The per-tensor zero point."""
        return self.zero_points[0] if self.zero_points else 0

    @property
    def quantisation(self) -> tuple[float, int]:
        """Scale and zero point."""
        return self.scale, self.zero_point

    def channel_scales(self, channels: int) -> npt.NDArray[np.float64]:
        """One scale a channel, also where the tensor has one for all."""
        return np.broadcast_to(self.scales, (channels,)).astype(np.float64)

    def constant(self) -> npt.NDArray[Any]:
        """The values of a constant."""
        if self.data is None:
            raise ValueError(f"tensor '{self.name}' is not constant")
        return self.data


@dataclass(frozen=True, eq=False)
class FlatOperator:
    """An operator of the file; inputs and outputs are tensor numbers, -1 for one left out.

    `options` is the operator's table of the TFLite schema.
    """

    number: int
    kind: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    options: Any

    @property
    def activation(self) -> str | None:
        """The fused activation, such as `relu6`, or None."""
        name = _ACTIVATIONS.get(getattr(self.options, "fusedActivationFunction", 0), "unknown")
        return None if name == "none" else name

    @property
    def padding(self) -> str:
        """Padding of a window: `same` or `valid`."""
        return _PADDINGS[self.options.padding]

    @property
    def stride(self) -> tuple[int, int]:
        """Rows and columns from one window to the next."""
        return int(self.options.strideH), int(self.options.strideW)


class FlatModel:
    """The one subgraph of a .tflite file."""

    def __init__(self, data: bytes) -> None:
        if data[4:8] != IDENTIFIER:
            raise _damaged("it does not begin as such a file does")
        try:
            model = schema.ModelT.InitFromPackedBuf(data, 0)
            graphs = list(model.subgraphs or ())
            if len(graphs) != 1:
                raise AgilennError.of(
                    ExitCode.UNSUPPORTED,
                    "quantise.unsupported",
                    f"the .tflite model has {len(graphs)} subgraphs, 1 is supported",
                    hint="convert the inference function alone, without control flow",
                )
            self.tensors = tuple(_tensor(model, raw) for raw in graphs[0].tensors)
            self.operators = tuple(
                _operator(model, number, raw) for number, raw in enumerate(graphs[0].operators)
            )
            self.inputs = tuple(int(i) for i in graphs[0].inputs)
            self.outputs = tuple(int(i) for i in graphs[0].outputs)
        except AgilennError:
            raise
        except Exception as error:  # A damaged file fails anywhere in the generated reader.
            raise _damaged(f"{type(error).__name__} while reading") from error
        self._check_numbers()

    def _check_numbers(self) -> None:
        used = {i for op in self.operators for i in (*op.inputs, *op.outputs)}
        used |= {*self.inputs, *self.outputs}
        if any(not -1 <= i < len(self.tensors) for i in used) or -1 in self.inputs + self.outputs:
            raise _damaged("an operator names a tensor that is not there")

    def consumers(self, tensor: int) -> tuple[FlatOperator, ...]:
        """Return the operators that read a tensor."""
        return tuple(op for op in self.operators if tensor in op.inputs)

    @property
    def input(self) -> FlatTensor:
        """The first input tensor."""
        return self.tensors[self.inputs[0]]

    @property
    def output(self) -> FlatTensor:
        """The first output tensor."""
        return self.tensors[self.outputs[0]]


def _tensor(model: Any, raw: Any) -> FlatTensor:
    dtype = _TENSOR_TYPES.get(raw.type, f"type {raw.type}")
    shape = tuple(int(n) for n in raw.shape) if raw.shape is not None else ()
    buffer = model.buffers[raw.buffer].data
    data = None
    if buffer is not None and len(buffer) and dtype in _DTYPES:
        values = np.frombuffer(np.asarray(buffer, dtype=np.uint8).tobytes(), dtype=_DTYPES[dtype])
        data = values.reshape(shape)
    scales = getattr(raw.quantization, "scale", None)
    points = getattr(raw.quantization, "zeroPoint", None)
    name = raw.name.decode(errors="replace") if isinstance(raw.name, bytes) else str(raw.name)
    return FlatTensor(
        name,
        shape,
        dtype,
        np.asarray(scales if scales is not None else [], dtype=np.float32),
        tuple(int(point) for point in (points if points is not None else ())),
        data,
    )


def _operator(model: Any, number: int, raw: Any) -> FlatOperator:
    code = model.operatorCodes[raw.opcodeIndex]
    value = max(code.builtinCode, code.deprecatedBuiltinCode)
    kind = _OPERATORS.get(value, f"operator {value}")
    if kind == "CUSTOM":
        custom = code.customCode or b""
        kind = f"CUSTOM {custom.decode(errors='replace')}".strip()
    return FlatOperator(
        number,
        kind,
        tuple(int(i) for i in (raw.inputs if raw.inputs is not None else ())),
        tuple(int(i) for i in (raw.outputs if raw.outputs is not None else ())),
        raw.builtinOptions,
    )


def _damaged(reason: str) -> AgilennError:
    return AgilennError.of(
        ExitCode.UNSUPPORTED,
        "quantise.tflite-file",
        f"this is no readable .tflite file: {reason}",
        hint="export the model again with TFLiteConverter, and copy the file in binary",
    )
