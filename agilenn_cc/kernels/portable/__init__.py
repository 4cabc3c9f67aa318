"""Kernels in plain C++ for cores without DSP instructions."""

from agilenn_cc.kernels.portable.kernel import PORTABLE

__all__ = ["PORTABLE"]
