"""Imported .tflite networks on emulated cores: logits equal the integer reference."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from agilenn_cc.ir.reference import run
from agilenn_cc.quantise import import_tflite

pytest.importorskip("tf_keras")


def _networks():
    path = Path(__file__).parents[1] / "quantise" / "test_tflite_import.py"
    spec = importlib.util.spec_from_file_location("tflite_networks", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


NETWORKS = _networks()


@pytest.mark.parametrize(
    ("name", "kernels", "core"),
    [
        ("convolutional", "specialised", "cortex-m7"),
        ("separable", "specialised", "cortex-m4"),
        ("residual", "specialised", "cortex-m7"),
        ("fully_connected", "specialised", "cortex-m33"),
        ("pixel_head", "portable", "cortex-m3"),
        ("pooled_padding", "portable", "cortex-m0plus"),
        ("residual", "portable", "cortex-m0plus"),
        ("separable", "portable", "cortex-m0plus"),
    ],
)
def test_logits_equal_the_reference(name, kernels, core, run_frame):
    graph = import_tflite(NETWORKS.file_of(name))
    program = NETWORKS.compiled(graph, kernels)
    image = NETWORKS.images_for(graph, 1, seed=9)[0]
    frame = run_frame(program, image, core)
    assert np.array_equal(frame.logits, run(graph, image[None])[graph.outputs[0]][0])
    assert frame.network_instructions > 0
