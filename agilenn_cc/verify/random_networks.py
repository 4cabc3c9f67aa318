"""Random device networks for self-checks: any shape, stride, padding and scale allowed."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from agilenn_cc.ir.builder import GraphBuilder
from agilenn_cc.ir.graph import Graph

ACTIVATIONS = (None, "relu", "relu6")
CHANNELS = (1, 2, 3, 4, 5, 6, 7, 8, 11, 13)


def random_network(seed: int, *, classes: int = 4, levels: int = 8) -> Graph:
    """Return a network with outputs `logits` and `indices`; the seed decides everything.

    One in four has saturated weights only, one in eight scales that force left shifts.
    """
    return _Generator(np.random.default_rng(seed), classes, levels).build(seed)


class _Generator:
    def __init__(self, rng: np.random.Generator, classes: int, levels: int) -> None:
        self._rng = rng
        self._classes = classes
        self._levels = levels
        self._saturated = rng.random() < 0.25
        self._loud = rng.random() < 0.125
        self._count = 0

    def build(self, seed: int) -> Graph:
        rng = self._rng
        self._builder = GraphBuilder(f"random{seed}")
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
        self._builder.lookup("indices", sent, np.sort(rng.integers(0, self._levels, 256)))
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
        scales, bias, scale, zero_point = self._scaling(kind.scale, kind.elements, units)
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
            return self._convolution(tensor, int(self._rng.choice(CHANNELS)))
        if choice < 0.8:
            return self._depthwise(tensor)
        if choice < 0.9:
            return self._residual(tensor)
        size = (int(self._rng.integers(1, 5)), int(self._rng.integers(1, 5)))
        stride = (int(self._rng.integers(1, 4)), int(self._rng.integers(1, 4)))
        if choice < 0.95:
            return self._builder.max_pool(self._name("maxpool"), tensor, size, stride)
        return self._builder.average_pool(self._name("avgpool"), tensor, size, stride)

    def _residual(self, tensor: str) -> str:
        kind = self._builder.type_of(tensor)
        kernel = (3, 3)
        other = self._convolution(tensor, kind.channels, kernel, (1, 1))
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

    def _kernel(self) -> tuple[int, int]:
        return int(self._rng.integers(1, 8)), int(self._rng.integers(1, 8))

    def _convolution(
        self,
        tensor: str,
        outputs: int,
        kernel: tuple[int, int] | None = None,
        stride: tuple[int, int] | None = None,
    ) -> str:
        kind = self._builder.type_of(tensor)
        size = kernel or self._kernel()
        if kernel is None and self._rng.random() < 0.3:
            size = (3, 3)
        step = stride or (size if self._rng.random() < 0.25 else self._stride())
        terms = size[0] * size[1] * kind.channels
        weights = self._weights((outputs, *size, kind.channels))
        scales, bias, scale, zero_point = self._scaling(kind.scale, terms, outputs)
        return self._builder.conv2d(
            self._name("conv"),
            tensor,
            weights,
            scales,
            bias,
            scale=scale,
            zero_point=zero_point,
            stride=step,
            activation=self._activation(),
        )

    def _depthwise(self, tensor: str) -> str:
        kind = self._builder.type_of(tensor)
        size = self._kernel()
        weights = self._weights((*size, kind.channels))
        scales, bias, scale, zero_point = self._scaling(
            kind.scale, size[0] * size[1], kind.channels
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
        )

    def _activation(self) -> str | None:
        choice = self._rng.integers(len(ACTIVATIONS))
        return ACTIVATIONS[int(choice)]

    def _weights(self, shape: tuple[int, ...]) -> NDArray[np.int64]:
        if self._saturated:
            return self._rng.choice(np.array([-128, 127]), size=shape)
        return self._rng.integers(-127, 128, size=shape)

    def _scaling(
        self, source_scale: float, terms: int, outputs: int
    ) -> tuple[NDArray[np.float64], NDArray[np.int64], float, int]:
        """Return weight scales, biases, output scale and zero point that keep outputs varied."""
        rng = self._rng
        scales = rng.uniform(0.2, 2.0, outputs) / (127 * terms**0.5)
        scale = source_scale * float(rng.uniform(0.5, 2.0))
        if self._loud:
            scale /= 400.0
        bias = rng.integers(-2000, 2000, outputs) * int(np.ceil(terms**0.5))
        zero_point = -128 if rng.random() < 0.5 else int(rng.integers(-128, 128))
        return scales, bias, scale, zero_point
