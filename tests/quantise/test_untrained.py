"""The untrained device graph: no TensorFlow, right shapes, values that neither vanish nor clip."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np

from agilenn_cc.ir import reference, save_graph
from agilenn_cc.ir.types import TensorType
from agilenn_cc.learn.split_model import SplitModel
from agilenn_cc.quantise import untrained
from agilenn_cc.quantise.model import QuantisedModel, quantiser_table
from agilenn_cc.spec import Spec

CLASSES = tuple("0123456789")


def test_same_operators_and_shapes_as_the_trained_network(
    spec: Spec, quantised: QuantisedModel, split: SplitModel
) -> None:
    graph = untrained(spec, CLASSES).graph
    assert [type(op).__name__ for op in graph.ops] == [
        type(op).__name__ for op in quantised.graph.ops
    ]
    mine = [graph.tensors[op.output].shape for op in graph.ops]
    assert mine == [quantised.graph.tensors[op.output].shape for op in quantised.graph.ops]


def test_the_seed_decides_the_bytes(spec: Spec) -> None:
    first = save_graph(untrained(spec, CLASSES).graph)
    assert first == save_graph(untrained(spec, CLASSES).graph)
    assert first != save_graph(untrained(spec.model_copy(update={"seed": 6}), CLASSES).graph)


def test_activations_use_their_range(spec: Spec) -> None:
    images = np.random.default_rng(0).integers(0, 256, (16, 8, 8, 1)).astype(np.uint8)
    tensors = reference.run(untrained(spec, CLASSES).graph, images)
    assert len(np.unique(tensors["features"])) > 50
    assert (tensors["features"] == 127).mean() < 0.2
    assert len(np.unique(tensors["indices"])) > 2
    assert len(np.unique(tensors["logits"])) > 10


def test_table_takes_the_nearest_level_and_the_lower_of_two() -> None:
    kind = TensorType((1, 1, 1), 0.5, -128)
    table = quantiser_table(kind, np.array([0.0, 1.0, 2.0, 50.0], np.float32))
    # q + 128 = 0, 1 (0.5: tie, lower), 2 (1.0), 3 (1.5: tie, lower), 4 (2.0)
    assert table[:5].tolist() == [0, 0, 1, 1, 2]
    assert table[52] == 2  # 26 is midway between 2 and 50
    assert table[53] == 3
    assert table[255] == 3


def test_tensorflow_is_not_loaded(spec: Spec, tmp_path: Path) -> None:
    path = tmp_path / "spec.yaml"
    path.write_text((spec.base_dir / "spec.yaml").read_text())
    script = f"""
import sys
from pathlib import Path
import agilenn_cc.learn
from agilenn_cc.quantise import untrained
from agilenn_cc.spec import load_spec
untrained(load_spec(Path({str(path)!r})), tuple("0123456789"))
assert "tensorflow" not in sys.modules and "keras" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", script], check=True)
