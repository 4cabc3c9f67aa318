"""Random device networks for self-checks: any shape, stride, padding and scale allowed."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from agilenn_cc.ir.builder import GraphBuilder
from agilenn_cc.ir.graph import Graph
from agilenn_cc.ir.types import Padding, Pair, TensorType

ACTIVATIONS = (None, "relu", "relu6")
CHANNELS = (1, 2, 3, 4, 5, 6, 7, 8, 11, 13)
WIDE_CHANNELS = (9, 12, 15, 17, 19, 23)
INT32_MAX = 2**31 - 1


def random_network(seed: int, *, classes: int = 4, levels: int = 8, rates: int = 1) -> Graph:
    """Return a network with outputs `logits` and `indices`; the seed decides everything.

    Inputs of 4..19 rows and columns, 1..5 channels; one to three extractor layers, up to two
    local ones: convolution (55 %), depthwise (25 %), residual sum (10 %), max and average pool
    (5 % each); kernels 1..7, strides 1..4 (or the kernel's size), each independent in rows and
    columns; padding SAME (60 %), VALID (20 %) or any numbers below the kernel's size (20 %);
    1..8, 11 and 13 channels, one convolution in six wide (`WIDE_CHANNELS`); heads with and
    without mean, hidden layer and whole-image dense layer. Zero points are any int8 value.

    Per network: one in four has saturated weights only (-128 or 127), half of those of one sign a
    channel, so that sums reach their bounds; one in eight scales that force left shifts; one in
    four of the others biases of any magnitude up to what an int32 sum bears. With several rates,
    the quantiser has as many tables.
    """
    return _Generator(seed, classes, levels, rates).build()


class _Generator:
    def __init__(self, seed: int, classes: int, levels: int, rates: int) -> None:
        self._rng = rng = np.random.default_rng(seed)
        # Draws of its own, so that the shapes of a seed depend on the first generator alone.
        self._extremes = np.random.default_rng((seed, 1))
        self._seed = seed
        self._classes = classes
        self._levels = levels
        self._rates = rates
        self._saturated = rng.random() < 0.25
        self._loud = rng.random() < 0.125
        self._one_sign = self._saturated and self._extremes.random() < 0.5
        self._biased = not self._loud and self._extremes.random() < 0.25
        self._count = 0

    def build(self) -> Graph:
        rng = self._rng
        self._builder = GraphBuilder(f"random{self._seed}")
        height, width = (int(n) for n in rng.integers(4, 20, 2))
        tensor = self._builder.input((height, width, int(rng.choice(CHANNELS[:5]))))
        for _ in range(int(rng.integers(1, 4))):
            tensor = self._layer(tensor)
        if self._builder.type_of(tensor).channels < 2:
            tensor = self._convolution(tensor, int(rng.integers(2, 9)))
        channels = self._builder.type_of(tensor).channels
        top = int(rng.integers(1, channels))
        local = self._builder.slice("top", tensor, 0, top)
        for _ in range(int(rng.integers(0, 3))):
            local = self._layer(local)
        self._head(local)
        sent = self._builder.slice("sent", tensor, top, channels)
        table = np.sort(rng.integers(0, self._levels, 256))
        shape = (self._rates - 1, 256)
        others = np.sort(self._extremes.integers(0, self._levels, shape), axis=1)
        tables = np.vstack([table, others]) if self._rates > 1 else table
        self._builder.lookup("indices", sent, tables)
        return self._builder.finish(("logits", "indices"))

    def _name(self, kind: str) -> str:
        self._count += 1
        return f"{kind}{self._count}"

    def _head(self, tensor: str) -> None:
        rng, builder = self._rng, self._builder
        kind = builder.type_of(tensor)
        if rng.random() < 0.7:
            scale = kind.scale * float(rng.uniform(0.3, 1.5))
            tensor = builder.mean("gap", tensor, scale=scale, zero_point=int(rng.integers(-20, 20)))
        if rng.random() < 0.3:
            tensor = self._dense("hidden", tensor, int(rng.choice(CHANNELS)), "relu")
        self._dense("logits", tensor, self._classes, None)

    def _dense(self, name: str, tensor: str, units: int, activation: str | None) -> str:
        kind = self._builder.type_of(tensor)
        weights = self._weights((units, kind.elements))
        scales, bias, scale, zero_point = self._scaling(kind, weights.reshape(units, -1))
        return self._builder.dense(
            name,
            tensor,
            weights,
            scales,
            bias,
            scale=scale,
            zero_point=zero_point,
            activation=activation,
        )

    def _layer(self, tensor: str) -> str:
        choice = self._rng.random()
        if choice < 0.55:
            channels = int(self._rng.choice(CHANNELS))
            if self._extremes.random() < 1 / 6:
                channels = int(self._extremes.choice(WIDE_CHANNELS))
            return self._convolution(tensor, channels)
        if choice < 0.8:
            return self._depthwise(tensor)
        if choice < 0.9:
            return self._residual(tensor)
        size = (int(self._rng.integers(1, 5)), int(self._rng.integers(1, 5)))
        stride = (int(self._rng.integers(1, 4)), int(self._rng.integers(1, 4)))
        padding = self._padding(tensor, size)
        if choice < 0.95:
            return self._builder.max_pool(self._name("maxpool"), tensor, size, stride, padding)
        return self._builder.average_pool(self._name("avgpool"), tensor, size, stride, padding)

    def _residual(self, tensor: str) -> str:
        kind = self._builder.type_of(tensor)
        other = self._convolution(tensor, kind.channels, (3, 3), (1, 1), "same")
        return self._builder.add(
            self._name("add"),
            tensor,
            other,
            scale=kind.scale * float(self._rng.uniform(0.8, 2.5)),
            zero_point=int(self._rng.integers(-128, 128)),
            activation=str(self._rng.choice(("relu", "relu6"))) if self._loud else None,
        )

    def _stride(self) -> tuple[int, int]:
        return int(self._rng.integers(1, 5)), int(self._rng.integers(1, 5))

    def _padding(self, tensor: str, kernel: Pair) -> Padding | str:
        choice = self._extremes.random()
        height, width, _ = self._builder.type_of(tensor).shape
        if choice < 0.2 and kernel[0] <= height and kernel[1] <= width:
            return "valid"
        top, bottom = (int(n) for n in self._extremes.integers(0, kernel[0], 2))
        left, right = (int(n) for n in self._extremes.integers(0, kernel[1], 2))
        fits = kernel[0] <= height + top + bottom and kernel[1] <= width + left + right
        return (top, bottom, left, right) if choice > 0.8 and fits else "same"

    def _kernel(self) -> tuple[int, int]:
        return int(self._rng.integers(1, 8)), int(self._rng.integers(1, 8))

    def _convolution(
        self,
        tensor: str,
        outputs: int,
        kernel: tuple[int, int] | None = None,
        stride: tuple[int, int] | None = None,
        padding: Padding | str | None = None,
    ) -> str:
        kind = self._builder.type_of(tensor)
        size = kernel or self._kernel()
        if kernel is None and self._rng.random() < 0.3:
            size = (3, 3)
        step = stride or (size if self._rng.random() < 0.25 else self._stride())
        weights = self._weights((outputs, *size, kind.channels))
        scales, bias, scale, zero_point = self._scaling(kind, weights.reshape(outputs, -1))
        return self._builder.conv2d(
            self._name("conv"),
            tensor,
            weights,
            scales,
            bias,
            scale=scale,
            zero_point=zero_point,
            stride=step,
            padding=padding or self._padding(tensor, size),
            activation=self._activation(),
        )

    def _depthwise(self, tensor: str) -> str:
        kind = self._builder.type_of(tensor)
        size = self._kernel()
        weights = self._weights((kind.channels, *size)).transpose(1, 2, 0)
        scales, bias, scale, zero_point = self._scaling(
            kind, weights.reshape(-1, kind.channels).transpose()
        )
        return self._builder.depthwise(
            self._name("dw"),
            tensor,
            weights,
            scales,
            bias,
            scale=scale,
            zero_point=zero_point,
            activation=self._activation(),
            stride=self._stride(),
            padding=self._padding(tensor, size),
        )

    def _activation(self) -> str | None:
        choice = self._rng.integers(len(ACTIVATIONS))
        return ACTIVATIONS[int(choice)]

    def _weights(self, shape: tuple[int, ...]) -> NDArray[np.int64]:
        """Draw weights whose first axis is the output channel."""
        if self._one_sign:
            signs = self._rng.choice(np.array([-128, 127]), size=shape[0])
            return np.repeat(signs, math.prod(shape[1:])).reshape(shape)
        if self._saturated:
            return self._rng.choice(np.array([-128, 127]), size=shape)
        return self._rng.integers(-127, 128, size=shape)

    def _scaling(
        self, source: TensorType, weights: NDArray[np.int64]
    ) -> tuple[NDArray[np.float64], NDArray[np.int64], float, int]:
        """Return weight scales, biases, output scale and zero point that keep outputs varied.

        weights: [output channels, terms of a sum].
        """
        rng = self._rng
        outputs, terms = weights.shape
        scales = rng.uniform(0.2, 2.0, outputs) / (127 * terms**0.5)
        scale = source.scale * float(rng.uniform(0.5, 2.0))
        if self._loud:
            scale /= 400.0
        bias = rng.integers(-2000, 2000, outputs) * int(np.ceil(terms**0.5))
        zero_point = -128 if rng.random() < 0.5 else int(rng.integers(-128, 128))
        if self._biased:
            bias = self._large_biases(weights)
            within = self._extremes.uniform(0.2, 1.2, outputs) * 127 * scale / source.scale
            scales = np.minimum(scales, within / np.maximum(np.abs(bias), 1))
        return scales, bias, scale, zero_point

    def _large_biases(self, weights: NDArray[np.int64]) -> NDArray[np.int64]:
        """Draw biases of any magnitude that leaves no sum of the layer beyond int32."""
        most = INT32_MAX - 255 * np.abs(weights).sum(axis=1)
        magnitudes = 2.0 ** self._extremes.uniform(10.0, 31.0, len(weights))
        signs = self._extremes.choice(np.array([-1, 1]), len(weights))
        biases: NDArray[np.int64] = signs * np.minimum(magnitudes.astype(np.int64), most)
        return biases
