"""The exported remote net: plain TensorFlow runs it, and its bytes are reproducible."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import tensorflow as tf

from agilenn_cc.learn.networks import build_mobilenet_v2
from agilenn_cc.learn.split_model import SplitModel, save
from agilenn_cc.quantise import export_remote
from agilenn_cc.quantise.remote_export import freeze


def run_frozen(data: bytes, features: np.ndarray) -> np.ndarray:
    graph_def = tf.compat.v1.GraphDef.FromString(data)

    def importer() -> None:
        tf.graph_util.import_graph_def(graph_def, name="")

    wrapped = tf.compat.v1.wrap_function(importer, [])
    function = wrapped.prune("features:0", "logits:0")
    return function(tf.constant(features)).numpy()


def test_outputs_equal_those_of_keras(split: SplitModel) -> None:
    features = np.random.default_rng(0).uniform(0, 6, (7, 4, 4, 5)).astype(np.float32)
    expected = split.remote(features, training=False).numpy()
    np.testing.assert_allclose(run_frozen(export_remote(split), features), expected, atol=1e-5)


def test_mobilenet_v2_is_exported_too() -> None:
    model = build_mobilenet_v2(0.35, (8, 8, 6), 10, "remote", 0)
    features = np.random.default_rng(0).uniform(0, 6, (2, 8, 8, 6)).astype(np.float32)
    expected = model(features, training=False).numpy()
    scale = max(1.0, float(np.abs(expected).max()))
    np.testing.assert_allclose(run_frozen(freeze(model), features), expected, atol=1e-5 * scale)


def test_another_process_exports_the_same_bytes(split: SplitModel, tmp_path: Path) -> None:
    save(split, tmp_path / "model")
    script = f"""
from pathlib import Path
from agilenn_cc.learn import load
from agilenn_cc.learn.backend import keras
from agilenn_cc.quantise import export_remote
keras.layers.Conv2D(1, 1)  # shifts Keras' own numbering
folder = Path({str(tmp_path)!r})
(folder / "remote.pb").write_bytes(export_remote(load(folder / "model")))
"""
    subprocess.run([sys.executable, "-c", script], check=True)
    assert (tmp_path / "remote.pb").read_bytes() == export_remote(split)


def test_the_graph_holds_no_variable_and_no_foreign_input(split: SplitModel) -> None:
    graph_def = tf.compat.v1.GraphDef.FromString(export_remote(split))
    placeholders = [node for node in graph_def.node if node.op == "Placeholder"]
    assert [node.name for node in placeholders] == ["features"]
    shape = [dim.size for dim in placeholders[0].attr["shape"].shape.dim]
    assert shape == [-1, 4, 4, 5]
    assert not graph_def.library.function
    assert not [node for node in graph_def.node if "Var" in node.op]
    assert graph_def.node[-1].name == "logits"
    assert len({node.name for node in graph_def.node}) == len(graph_def.node)
