"""Row stages that call the public CMSIS-NN API; the library itself is the user's."""

from agilenn_cc.kernels.cmsis_nn.checkout import Checkout, find_checkout
from agilenn_cc.kernels.cmsis_nn.kernel import CMSIS_NN
from agilenn_cc.kernels.cmsis_nn.library import find_library

__all__ = ["CMSIS_NN", "Checkout", "find_checkout", "find_library"]
