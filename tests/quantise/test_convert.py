"""The int8 graph against TFLite's reference kernels and against the float split."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest

from agilenn_cc.data import Dataset
from agilenn_cc.errors import AgilennError, ExitCode
from agilenn_cc.ir import GraphBuilder, reference
from agilenn_cc.ir import combine as rule
from agilenn_cc.ir.ops import Lookup, Slice
from agilenn_cc.learn.backend import keras
from agilenn_cc.learn.split_model import SplitModel
from agilenn_cc.quantise import answer, evaluate, load, save
from agilenn_cc.quantise.convert import convert_to_int8, quantise
from agilenn_cc.quantise.model import QuantisedModel
from agilenn_cc.quantise.oracle import agreement, compare, run_tflite
from agilenn_cc.quantise.tflite_operators import import_operators
from agilenn_cc.quantise.tflite_reader import FlatModel
from agilenn_cc.spec import Spec


def noise(count: int) -> np.ndarray:
    return np.random.default_rng(7).integers(0, 256, (count, 8, 8, 1)).astype(np.uint8)


def test_integer_reference_agrees_with_tflite_reference_kernels(
    quantised: QuantisedModel, dataset: Dataset
) -> None:
    images = np.concatenate([dataset.test.images[:40], noise(40), np.zeros((1, 8, 8, 1), np.uint8)])
    found = agreement(quantised, images)
    values = 81 * (4 * 4 * 9 + 10)
    assert found["equal"] + found["off_by_one"] == values
    assert found["worse"] == 0
    assert found["equal"] > 0.98 * values


def test_every_layer_kind_is_in_the_graph(quantised: QuantisedModel) -> None:
    kinds = {type(op).__name__ for op in quantised.graph.ops}
    assert kinds >= {"Conv2D", "DepthwiseConv2D", "FullyConnected", "MaxPool", "Mean"}
    assert kinds >= {"Slice", "Lookup"}


def test_graph_has_the_device_graphs_form(quantised: QuantisedModel) -> None:
    graph = quantised.graph
    assert graph.inputs == ("input",)
    assert graph.outputs == ("logits", "indices")
    assert graph.tensors["input"].scale == 1 / 128
    assert graph.tensors["input"].zero_point == 0
    assert graph.tensors["features"].shape == (4, 4, 9)
    assert graph.tensors["indices"].shape == (4, 4, 5)
    lookup = graph.producer("indices")
    assert isinstance(lookup, Lookup)
    sent = graph.producer(lookup.inputs[0])
    assert isinstance(sent, Slice)
    assert (sent.inputs, sent.begin, sent.end) == (("features",), 4, 9)


def test_dequantised_tensors_are_near_the_float_ones(
    quantised: QuantisedModel, split: SplitModel, dataset: Dataset
) -> None:
    images = dataset.test.images[:100]
    tensors = reference.run(quantised.graph, images)
    kind = quantised.graph.tensors["features"]
    features = kind.scale * (tensors["features"].astype(np.float64) - kind.zero_point)
    assert np.abs(features - split.features(images)).mean() < 2 * kind.scale
    logits = quantised.graph.tensors["logits"]
    local = logits.scale * (tensors["logits"].astype(np.float64) - logits.zero_point)
    assert np.abs(local - split.predict(images).local).mean() < 4 * logits.scale


def test_indices_are_the_nearest_levels_of_the_integer_features(
    quantised: QuantisedModel, dataset: Dataset
) -> None:
    tensors = reference.run(quantised.graph, dataset.test.images[:20])
    kind = quantised.graph.tensors["features"]
    values = kind.scale * (tensors["features"][..., 4:].astype(np.float64) - kind.zero_point)
    distance = np.abs(values[..., None] - quantised.levels.astype(np.float64))
    np.testing.assert_array_equal(tensors["indices"], distance.argmin(axis=-1))


def test_evaluate_follows_the_rule_of_combination(
    quantised: QuantisedModel, split: SplitModel, dataset: Dataset
) -> None:
    found = answer(quantised, split.remote, dataset.test.images)
    tensors = reference.run(quantised.graph, dataset.test.images)
    remote = np.asarray(split.remote(quantised.levels[tensors["indices"]], training=False))
    kind = quantised.graph.tensors["logits"]
    local = (tensors["logits"].astype(np.float64) - kind.zero_point) * kind.scale
    real = quantised.alpha * local + (1 - quantised.alpha) * remote
    gap = np.sort(real, axis=1)[:, -1] - np.sort(real, axis=1)[:, -2]
    sure = gap > 0.02
    assert sure.mean() > 0.8
    np.testing.assert_array_equal(found.combined[sure], real.argmax(axis=1)[sure])
    report = evaluate(quantised, split.remote, dataset.test)
    assert report["samples"] == len(dataset.test)
    assert report["accuracy"] == float((found.combined == dataset.test.labels).mean())
    assert report["accuracy_local"] == float(
        (tensors["logits"].argmax(axis=1) == dataset.test.labels).mean()
    )
    assert rule.alpha_q15(quantised.alpha) == round(quantised.alpha * 32768)


def test_conversion_is_reproducible_and_survives_saving(
    spec: Spec, quantised: QuantisedModel, split: SplitModel, dataset: Dataset, work: Path
) -> None:
    again = quantise(spec, split, dataset.train.images)
    for name, model in (("a", quantised), ("b", again), ("c", again)):
        save(load(work / "b") if name == "c" else model, work / name)

    def digests(directory: Path) -> dict[str, str]:
        return {f.name: hashlib.sha256(f.read_bytes()).hexdigest() for f in directory.iterdir()}

    assert digests(work / "a") == digests(work / "b") == digests(work / "c")
    loaded = load(work / "a")
    np.testing.assert_array_equal(loaded.levels, quantised.levels)
    assert loaded.alpha == quantised.alpha
    assert loaded.tflite == quantised.tflite


def test_aware_fine_tuning_keeps_scales_and_agreement(
    spec: Spec, split: SplitModel, dataset: Dataset
) -> None:
    training = spec.training.model_copy(update={"quantisation": "aware"})
    before = [weight.copy() for weight in split.extractor.get_weights()]
    aware = quantise(
        spec.model_copy(update={"training": training}), split, dataset.train.images[:384]
    )
    for old, new in zip(before, split.extractor.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
    found = agreement(aware, dataset.test.images[:30])
    assert found["worse"] == 0
    kind = aware.graph.tensors["features"]
    features = reference.run(aware.graph, dataset.test.images[:50])["features"]
    values = kind.scale * (features.astype(np.float64) - kind.zero_point)
    assert np.abs(values - split.features(dataset.test.images[:50])).mean() < 3 * kind.scale


def test_unsupported_operators_are_listed_completely() -> None:
    inputs = keras.Input((4, 4, 2))
    tensor = keras.layers.Activation("tanh")(inputs)
    tensor = keras.layers.Conv2D(2, 1)(tensor)
    model = keras.Model(inputs, keras.layers.Activation("sigmoid")(tensor))
    samples = np.random.default_rng(0).normal(size=(4, 4, 4, 2)).astype(np.float32)
    flat = FlatModel(convert_to_int8(model, samples))
    builder = GraphBuilder("net")
    with pytest.raises(AgilennError) as caught:
        import_operators(flat, builder, builder.input((4, 4, 2)), "net", "out")
    assert caught.value.exit_code is ExitCode.UNSUPPORTED
    messages = " ".join(d.message for d in caught.value.diagnostics)
    assert "TANH" in messages
    assert "LOGISTIC" in messages


def test_comparison_counts_each_kind() -> None:
    ours = np.array([-128, 5, 5, 127], dtype=np.int8)
    theirs = np.array([127, 5, 6, 127], dtype=np.int8)
    found = compare(ours, theirs)
    assert (found.equal, found.off_by_one, found.worse) == (2, 1, 1)


def test_tflite_reference_kernels_run_each_sample_alone() -> None:
    inputs = keras.Input((4,))
    model = keras.Model(inputs, keras.layers.Dense(3)(inputs))
    samples = np.random.default_rng(0).uniform(-1, 1, (6, 4)).astype(np.float32)
    data = convert_to_int8(model, samples)
    batch = np.arange(8, dtype=np.int8).reshape(2, 4)
    whole = run_tflite(data, batch)
    np.testing.assert_array_equal(whole[1], run_tflite(data, batch[1:])[0])
