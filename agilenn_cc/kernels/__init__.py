"""Operators to C++: the kernel interface and the registry of kernels."""

from agilenn_cc.kernels.base import Kernel, LayoutWish, RowLayout, StageCode, StageContext
from agilenn_cc.kernels.registry import default_kernels, get_kernel, list_kernels

__all__ = [
    "Kernel",
    "LayoutWish",
    "RowLayout",
    "StageCode",
    "StageContext",
    "default_kernels",
    "get_kernel",
    "list_kernels",
]
