"""Standardised pixels inside the extractor while it is trained, folded away for the device.

The device pads with the byte 128, so that is what standardised pixels are padded with here: pixels
(x - 128) / 128 are padded with zeros first, then scaled and shifted per channel, then convolved
without padding. All of it is affine in the pixels, borders included, and folds exactly: the scale
into the kernel, the shift into the moving mean of the batch norm that follows.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from agilenn_cc.learn.backend import Model, Tensor, keras

_CHUNK = 4096  # images counted at once, which bounds the memory


@dataclass(frozen=True)
class Standardisation:
    """Makes channel c of pixels x = (raw - 128) / 128 to `scale[c]` * x + `offset[c]`."""

    scale: tuple[float, ...]
    offset: tuple[float, ...]

    @classmethod
    def of(cls, images: npt.NDArray[np.uint8]) -> Standardisation:
        """Return what gives each channel of raw `images` [N,H,W,C] mean 0 and deviation 1.

        A channel that deviates by less than one step of 255 is not stretched beyond that.
        """
        means, deviations = [], []
        values = np.arange(256, dtype=np.float64)
        for channel in range(images.shape[3]):
            counts = np.zeros(256, np.int64)
            for start in range(0, len(images), _CHUNK):
                part = images[start : start + _CHUNK, :, :, channel]
                counts += np.bincount(part.ravel(), minlength=256)
            share = counts / counts.sum()
            mean = float(share @ values)
            means.append(mean)
            deviations.append(max(1.0, float(share @ (values - mean) ** 2) ** 0.5))
        pairs = list(zip(means, deviations, strict=True))
        return cls(
            tuple(128 / deviation for _, deviation in pairs),
            tuple((128 - mean) / deviation for mean, deviation in pairs),
        )

    def apply(
        self, tensor: Tensor, kernel: tuple[int, int], stride: tuple[int, int], name: str
    ) -> Tensor:
        """Pad `tensor` [N,H,W,C] as SAME padding would, then standardise it."""
        pads = [
            _same_padding(int(size), window, step)
            for size, window, step in zip(tensor.shape[1:3], kernel, stride, strict=True)
        ]
        tensor = keras.layers.ZeroPadding2D(tuple(pads), name=f"{name}_padded")(tensor)
        return keras.layers.Rescaling(
            np.array(self.scale, np.float32),
            np.array(self.offset, np.float32),
            name=f"{name}_standardised",
        )(tensor)

    def fold(self, trained: Model, plain: Model) -> None:
        """Give `plain` the weights with which it computes what `trained` computes.

        Both are built from the same layers, `trained` with this standardisation before its first
        convolution, `plain` without.
        """
        shift: npt.NDArray[np.float32] | None = None
        pending = True
        for layer in plain.layers:
            weights = trained.get_layer(layer.name).get_weights() if layer.get_weights() else []
            if not weights:
                continue
            if pending:  # the first convolution, kernel [h, w, in, out] or [h, w, channels, 1]
                kernel = weights[0]
                outwards = kernel * np.array(self.offset, np.float32)[:, None]
                axes = (0, 1, 3) if "depthwise" in layer.name else (0, 1, 2)
                shift, pending = outwards.sum(axes), False
                weights[0] = kernel * np.array(self.scale, np.float32)[:, None]
            elif shift is not None:  # its batch norm: gamma, beta, moving mean, moving variance
                weights[2] = weights[2] - shift
                shift = None
            layer.set_weights(weights)


def _same_padding(size: int, window: int, step: int) -> tuple[int, int]:
    """Return the zeros before and after an axis, as TensorFlow's SAME padding places them."""
    total = max((-(-size // step) - 1) * step + window - size, 0)
    return total // 2, total - total // 2
