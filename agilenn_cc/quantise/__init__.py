"""Float networks to the int8 device graph; TensorFlow is loaded when a function needs it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from agilenn_cc.ir import Graph
from agilenn_cc.quantise.evaluate import Answers, answer, evaluate
from agilenn_cc.quantise.model import QuantisedModel, load, save
from agilenn_cc.quantise.untrained import untrained
from agilenn_cc.spec import Spec

if TYPE_CHECKING:
    from agilenn_cc.learn.split_model import SplitModel


def quantise(spec: Spec, split: SplitModel, calibration: npt.NDArray[np.uint8]) -> QuantisedModel:
    """Return the integer device part of `split`; see `quantise.convert.quantise`."""
    from agilenn_cc.quantise import convert

    return convert.quantise(spec, split, calibration)


def export_remote(split: SplitModel) -> bytes:
    """Return the remote net as GraphDef bytes; see `quantise.remote_export.export_remote`."""
    from agilenn_cc.quantise import remote_export

    return remote_export.export_remote(split)


def import_tflite(data: bytes, name: str = "model") -> Graph:
    """Return the graph of an int8 .tflite file; see `quantise.tflite_import.import_tflite`."""
    from agilenn_cc.quantise import tflite_import

    return tflite_import.import_tflite(data, name)


__all__ = [
    "Answers",
    "QuantisedModel",
    "answer",
    "evaluate",
    "export_remote",
    "import_tflite",
    "load",
    "quantise",
    "save",
    "untrained",
]
