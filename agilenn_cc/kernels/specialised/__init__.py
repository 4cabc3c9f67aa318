"""Kernels generated for a layer's exact shape."""

from agilenn_cc.kernels.specialised.kernel import SPECIALISED

__all__ = ["SPECIALISED"]
