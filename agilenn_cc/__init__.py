"""The AgileNN toolchain: from a model and a spec to STM32 firmware and its server."""

__version__ = "0.1.0"
