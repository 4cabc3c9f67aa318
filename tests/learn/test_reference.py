"""References: the built-in one, users' model files in each format, and what is wrong with them."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from agilenn_cc.data import Dataset
from agilenn_cc.errors import AgilennError, ExitCode
from agilenn_cc.learn import reference_files
from agilenn_cc.learn.backend import Model, keras
from agilenn_cc.learn.reference import build_adapter, build_reference
from agilenn_cc.learn.reference_files import cut_model
from agilenn_cc.learn.trainer import train
from agilenn_cc.spec import Spec

MakeSpec = Callable[..., Spec]

keras3 = importlib.import_module("keras")


def user_model(classes: int = 3, softmax: bool = True) -> Model:
    inputs = keras.Input((8, 8, 1))
    tensor = keras.layers.Conv2D(6, 3, padding="same", name="first")(inputs)
    tensor = keras.layers.ReLU(name="cut_here")(tensor)
    branch = keras.layers.Conv2D(6, 3, padding="same", name="inside")(tensor)
    tensor = keras.layers.Add(name="joined")([tensor, branch])
    tensor = keras.layers.GlobalAveragePooling2D(name="pooled")(tensor)
    activation = "softmax" if softmax else None
    tensor = keras.layers.Dense(classes, activation=activation, name="answer")(tensor)
    return keras.Model(inputs, tensor)


def images(count: int = 4) -> np.ndarray:
    return np.random.default_rng(0).normal(size=(count, 8, 8, 1)).astype(np.float32)


def test_built_in_reference_is_cut_at_the_features_shape(make_spec: MakeSpec) -> None:
    spec = make_spec()
    reference = build_reference(spec, 3)
    assert reference.trunk.input_shape[1:] == spec.feature_shape == (4, 4, 8)
    assert reference.full(images()).shape == (4, 3)
    features = np.random.default_rng(0).uniform(0, 6, (4, 4, 4, 8)).astype(np.float32)
    np.testing.assert_allclose(
        reference.on_features(features), reference.trunk(features, training=False), atol=1e-6
    )


def test_adapter_fits_features_to_another_map() -> None:
    adapter = build_adapter((4, 4, 8), (7, 5, 3), 0)
    assert adapter(np.zeros((2, 4, 4, 8), np.float32)).shape == (2, 7, 5, 3)


def test_the_cut_divides_the_network_without_changing_it() -> None:
    model = user_model()
    trunk = cut_model(model, "cut_here")
    head = keras.Model(model.input, model.get_layer("cut_here").output)
    np.testing.assert_allclose(trunk(head(images())), model(images()), atol=1e-6)


@pytest.mark.parametrize("name", ["model.keras", "model.h5", "saved_model"])
def test_users_models_are_read_in_each_format(
    make_spec: MakeSpec, tmp_path: Path, name: str
) -> None:
    model = user_model(softmax=False)
    model.save(tmp_path / name, save_format="tf" if name == "saved_model" else None)
    spec = make_spec(f"reference.model={tmp_path / name}", "reference.cut=cut_here")
    reference = build_reference(spec, 3)
    np.testing.assert_allclose(reference.full(images()), model(images()), atol=1e-6)
    assert not reference.trainable
    assert reference.on_features(np.zeros((2, 4, 4, 8), np.float32)).shape == (2, 3)


def test_a_softmax_at_the_end_is_removed(make_spec: MakeSpec, tmp_path: Path) -> None:
    model = user_model()
    model.save(tmp_path / "model.h5")
    spec = make_spec(f"reference.model={tmp_path / 'model.h5'}", "reference.cut=cut_here")
    logits = build_reference(spec, 3).full(images()).numpy()
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(probabilities, model(images()), atol=1e-5)
    assert not np.allclose(logits.sum(axis=1), 1.0)


def test_a_model_saved_by_keras_3_trains_a_split(
    make_spec: MakeSpec, dataset: Dataset, tmp_path: Path
) -> None:
    inputs = keras3.Input((8, 8, 1))
    front = keras3.layers.Conv2D(4, 3, strides=2, activation="relu", name="front")
    tensor = keras3.layers.Conv2D(6, 2, activation="swish", name="behind")(front(inputs))
    tensor = keras3.layers.GlobalAveragePooling2D()(tensor)
    keras3.Model(inputs, keras3.layers.Dense(3)(tensor)).save(tmp_path / "three.keras")
    spec = make_spec(
        f"reference.model={tmp_path / 'three.keras'}",
        "reference.cut=front",
        "training.epochs=1",
        "training.reference_epochs=2",
    )
    split = train(spec, dataset, tmp_path / "work")
    assert 0.0 <= split.metrics["accuracy_reference"] <= 1.0
    assert split.metrics["k"] == 2


def keras_3_sequential() -> Model:
    """Return a trained-looking model of Keras 3, TensorFlow's default, with a softmax layer."""
    layers = keras3.layers
    return keras3.Sequential(
        [
            keras3.Input((8, 8, 1)),
            layers.Conv2D(4, 3, strides=2, activation="relu", name="front"),
            layers.Conv2D(6, 2, activation="relu", name="behind"),
            layers.GlobalAveragePooling2D(name="pooled"),
            layers.Dense(3, name="answer"),
            layers.Softmax(name="probabilities"),
        ]
    )


@pytest.mark.parametrize("name", ["model.keras", "model.h5"])
def test_a_sequential_model_of_keras_3_is_cut(
    make_spec: MakeSpec, tmp_path: Path, name: str
) -> None:
    model = keras_3_sequential()
    model.save(tmp_path / name)
    spec = make_spec(f"reference.model={tmp_path / name}", "reference.cut=front")
    reference = build_reference(spec, 3)
    logits = np.asarray(reference.full(images()))
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(probabilities, model(images()), atol=1e-5)
    front = np.asarray(model.layers[0](images()))
    np.testing.assert_allclose(np.asarray(reference.trunk(front)), logits, atol=1e-5)


def test_an_exported_model_without_layers_is_explained(make_spec: MakeSpec, tmp_path: Path) -> None:
    keras_3_sequential().export(tmp_path / "exported", verbose=False)
    spec = make_spec(f"reference.model={tmp_path / 'exported'}", "reference.cut=front")
    with pytest.raises(AgilennError) as caught:
        build_reference(spec, 3)
    found = caught.value.diagnostics[0]
    assert found.code == "reference.no-layers"
    assert "model.save(" in (found.hint or "")


def test_a_cut_inside_a_nested_model_is_explained(make_spec: MakeSpec, tmp_path: Path) -> None:
    keras3.Sequential([keras3.Input((8, 8, 1)), keras_3_sequential()]).save(tmp_path / "n.keras")
    spec = make_spec(f"reference.model={tmp_path / 'n.keras'}", "reference.cut=front")
    with pytest.raises(AgilennError, match="inside the nested model"):
        build_reference(spec, 3)


def test_a_layer_of_the_users_own_is_explained_in_a_line(
    make_spec: MakeSpec, tmp_path: Path
) -> None:
    class Doubled(keras3.layers.Layer):  # type: ignore[misc]
        def call(self, tensor: object) -> object:
            return tensor * 2  # type: ignore[operator]

    keras3.Sequential([keras3.Input((8, 8, 1)), Doubled(), *keras_3_sequential().layers]).save(
        tmp_path / "own.keras"
    )
    spec = make_spec(f"reference.model={tmp_path / 'own.keras'}", "reference.cut=front")
    with pytest.raises(AgilennError) as caught:
        build_reference(spec, 3)
    found = caught.value.diagnostics[0]
    assert found.code == "reference.unreadable"
    assert "Doubled" in found.message
    assert len(found.message) < 500
    assert "layers of your own" in (found.hint or "")


@pytest.mark.parametrize(
    ("overrides", "code", "expected"),
    [
        (("reference.cut=cut_hare",), "reference.unknown-cut", "did you mean 'cut_here'"),
        (("reference.cut=zzz",), "reference.unknown-cut", "first, cut_here, inside"),
        (("reference.cut=pooled",), "reference.not-a-cut", "height x width x channels"),
        (("reference.cut=inside",), "reference.not-a-cut", "residual"),
        (("reference.cut=cut_here", "dataset.image=9x9x1"), "reference.input-shape", "Resizing"),
    ],
)
def test_what_cannot_be_used_is_explained(
    make_spec: MakeSpec, tmp_path: Path, overrides: tuple[str, ...], code: str, expected: str
) -> None:
    user_model().save(tmp_path / "model.h5")
    spec = make_spec(f"reference.model={tmp_path / 'model.h5'}", *overrides)
    with pytest.raises(AgilennError) as caught:
        build_reference(spec, 3)
    assert caught.value.exit_code is ExitCode.SPEC
    found = caught.value.diagnostics[0]
    assert found.code == code
    assert expected in f"{found.message} {found.hint}"


def test_files_that_are_no_model_are_explained(make_spec: MakeSpec, tmp_path: Path) -> None:
    (tmp_path / "broken.keras").write_bytes(b"not a model")
    user_model(classes=5).save(tmp_path / "five.h5")
    cases = (
        ("broken.keras", "reference.unreadable"),
        ("five.h5", "reference.classes"),
    )
    for name, code in cases:
        spec = make_spec(f"reference.model={tmp_path / name}", "reference.cut=cut_here")
        with pytest.raises(AgilennError) as caught:
            build_reference(spec, 3)
        assert caught.value.diagnostics[0].code == code
        assert caught.value.diagnostics[0].hint


def test_efficientnet_is_cut_behind_its_stem_of_24_channels(make_spec: MakeSpec) -> None:
    spec = make_spec(
        "reference.model=efficientnetv2-s", "reference.weights=none", "dataset.image=32x32x1"
    )
    reference = build_reference(spec, 3)
    assert reference.trunk.input_shape[1:] == (16, 16, 24)
    assert reference.trainable
    batch = np.zeros((1, 32, 32, 1), np.float32)
    assert reference.full(batch).shape == (1, 3)
    features = np.zeros((1, *spec.feature_shape), np.float32)
    assert reference.on_features(features).shape == (1, 3)


def test_a_failed_download_of_weights_says_what_to_do(
    make_spec: MakeSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    def offline(**_: object) -> Model:
        raise OSError("no route to host")

    monkeypatch.setattr(reference_files.keras.applications, "EfficientNetV2S", offline)
    with pytest.raises(AgilennError) as caught:
        build_reference(make_spec("reference.model=efficientnetv2-s"), 3)
    assert caught.value.exit_code is ExitCode.EXTERNAL
    assert "reference.model" in (caught.value.diagnostics[0].hint or "")
