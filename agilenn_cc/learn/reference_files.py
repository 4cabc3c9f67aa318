"""Reference networks that are not ours: a user's model file with a cut, EfficientNetV2-S."""

from __future__ import annotations

import hashlib
import importlib
import json
import re
import zipfile
from pathlib import Path
from typing import Any

from agilenn_cc.errors import AgilennError, Diagnostic, ExitCode, nearest
from agilenn_cc.learn.backend import Model, keras
from agilenn_cc.spec import Spec
from agilenn_cc.spec.model import BUILTIN_REFERENCES

_SHOWN = 300  # characters of another library's message


def reference_path(spec: Spec) -> Path:
    """Return where the user's reference model lies: a file, or a SavedModel's folder."""
    return spec.base_dir / Path(spec.reference.model).expanduser()


def reference_digest(spec: Spec) -> str | None:
    """Return the SHA-256 of the user's reference model, hexadecimal; None for a built-in one."""
    if spec.reference.model in BUILTIN_REFERENCES:
        return None
    path = reference_path(spec)
    digest = hashlib.sha256()
    for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
        if file.is_file():
            digest.update(f"{file.relative_to(path).as_posix()}\0".encode())
            digest.update(hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()


def load_user_reference(spec: Spec, classes: int) -> tuple[Model, Model]:
    """Return (full, trunk) of the user's model at `spec.reference.model`, cut at `.cut`.

    The model takes what every network here takes, (pixel - 128) / 128 of the data set's shape, and
    gives one logit (or probability) a class. Raises `AgilennError` with exit 3.
    """
    path = reference_path(spec)
    model = _with_logits(_load(spec, path))
    _check_ends(spec, model, classes)
    if spec.reference.cut is None:
        raise _error(
            spec,
            "model",
            "reference.no-cut",
            "a reference model of your own needs `reference.cut`",
            f"its layers: {', '.join(_layer_names(model))}",
        )
    try:
        trunk = cut_model(model, spec.reference.cut)
    except LookupError:
        raise _unknown_cut(spec, model, spec.reference.cut) from None
    except ValueError as error:
        raise _error(
            spec,
            "cut",
            "reference.not-a-cut",
            f"the reference cannot be cut at {spec.reference.cut!r}: {error}",
            "choose a layer with a height x width x channels output that everything behind it "
            "passes through (behind an addition, not inside a residual block)",
        ) from None
    return model, trunk


def cut_model(model: Model, layer_name: str) -> Model:
    """Return the part of `model` behind the layer called `layer_name`.

    Raises:
        LookupError: there is no such layer.
        ValueError: its output is not a map, or the outputs do not depend on it alone.
    """
    if layer_name not in _layer_names(model):
        raise LookupError(layer_name)
    cut = model.get_layer(layer_name).output
    if isinstance(cut, list) or len(cut.shape) != 4:
        raise ValueError("its output is not a map of height x width x channels")
    module = _keras_of(model)
    try:
        return module.Model(cut, model.outputs[0], name="trunk")
    except ValueError as error:
        raise ValueError("layers behind it also read something before it") from error


def efficientnet_body(weights: str, size: int) -> Model:
    """Return EfficientNetV2-S without its head, for `size` x `size` x 3 pixels of 0 to 255.

    Raises `AgilennError` with exit 7 where the ImageNet weights cannot be downloaded.
    """
    try:
        return keras.applications.EfficientNetV2S(
            include_top=False,
            weights=None if weights == "none" else weights,
            input_shape=(size, size, 3),
        )
    except Exception as error:
        raise AgilennError.of(
            ExitCode.EXTERNAL,
            "reference.download",
            f"the ImageNet weights of EfficientNetV2-S could not be downloaded: {error}",
            hint="connect to the internet once (they stay in ~/.keras), or set "
            "`reference.weights: none` or `reference.model: builtin`",
        ) from error


def _error(spec: Spec, key: str, code: str, message: str, hint: str) -> AgilennError:
    where = spec.where(f"reference.{key}")
    return AgilennError(ExitCode.SPEC, (Diagnostic(code, message, where, hint),))


def _load(spec: Spec, path: Path) -> Model:
    """Return the model in a file as a functional one, read by the Keras that wrote it."""
    failures = []
    for module in _readers(path):
        try:
            model = module.models.load_model(str(path), compile=False)
        except Exception as error:
            failures.append(_reason(error))
            continue
        if isinstance(model, module.Model):
            return _as_functional(spec, model)
        raise _error(
            spec,
            "model",
            "reference.no-layers",
            f"{spec.reference.model} holds functions only, no layers that it could be cut at",
            "model.export() writes such folders; save it with model.save('name.keras') instead",
        )
    raise _error(
        spec,
        "model",
        "reference.unreadable",
        f"{spec.reference.model} is not a model that Keras 2 or Keras 3 can read: {failures[0]}",
        "save it with model.save('name.keras') or model.save('name.h5'), and replace layers of "
        "your own by Keras's: they cannot be read without their code",
    )


def _readers(path: Path) -> tuple[Any, Any]:
    """Return Keras 2 and Keras 3, first the one that most likely wrote `path`.

    A `.keras` file of Keras 3 tells its version; the other formats are Keras 2's own.
    """
    three = _keras_3()
    try:
        with zipfile.ZipFile(path) as archive:
            version = str(json.loads(archive.read("metadata.json"))["keras_version"])
    except (OSError, zipfile.BadZipFile, KeyError, ValueError):
        version = "2"
    return (keras, three) if version.startswith("2") else (three, keras)


def _reason(error: Exception) -> str:
    """Return why Keras could not read a model in one line; it may append whole configurations."""
    own = re.search(r"(?:locate class|of type) ['`](\w+)", str(error))
    if own:
        return f"its layer {own[1]} is not one of Keras's own"
    line = (str(error).strip().splitlines() or [type(error).__name__])[0]
    return line if len(line) <= _SHOWN else line[:_SHOWN] + " ..."


def _as_functional(spec: Spec, model: Model) -> Model:
    """Return a Sequential or functional model as a functional one of one input and one output."""
    module = _keras_of(model)
    if isinstance(model, module.Sequential):
        if not model.built:
            model.build((None, *spec.input_shape))
        model = _chain(module, model)
    ends = (getattr(model, "inputs", None) or (), getattr(model, "outputs", None) or ())
    if [len(end) for end in ends] != [1, 1]:
        raise _error(
            spec,
            "model",
            "reference.shape",
            f"{spec.reference.model} is no functional model of one image and one vector of logits",
            "build it with keras.Sequential or keras.Model(inputs, outputs), not as a class",
        )
    return model


def _chain(module: Any, model: Model) -> Model:
    """Return a Sequential model as a functional one with copies of its layers.

    Copies, for a layer of a Sequential of Keras 3 has been called several times and its `output`
    need not be the tensor that the model's output comes from.
    """
    inputs = module.Input(model.inputs[0].shape[1:])
    tensor = inputs
    for layer in model.layers:
        if not isinstance(layer, module.layers.InputLayer):
            copy = type(layer).from_config(layer.get_config())
            tensor = copy(tensor)
            copy.set_weights(layer.get_weights())
    return module.Model(inputs, tensor, name=model.name)


def _unknown_cut(spec: Spec, model: Model, cut: str) -> AgilennError:
    names = _layer_names(model)
    nested = next(
        (layer.name for layer in model.layers if cut in map(_name, getattr(layer, "layers", ()))),
        None,
    )
    if nested is not None:
        message = f"the layer {cut!r} lies inside the nested model {nested!r}"
        hint = f"save a flat model, or cut at one of the outer layers: {', '.join(names)}"
    else:
        close = nearest(cut, names)
        message = f"the reference has no layer {cut!r}"
        hint = (f"did you mean {close!r}? " if close else "") + f"its layers: {', '.join(names)}"
    return _error(spec, "cut", "reference.unknown-cut", message, hint)


def _keras_3() -> Any:
    return importlib.import_module("keras")


def _keras_of(model: Model) -> Any:
    return keras if isinstance(model, keras.Model) else _keras_3()


def _layer_names(model: Model) -> list[str]:
    return [_name(layer) for layer in model.layers]


def _name(layer: Any) -> str:
    return str(layer.name)


def _check_ends(spec: Spec, model: Model, classes: int) -> None:
    takes, gives = tuple(model.inputs[0].shape[1:]), tuple(model.outputs[0].shape[1:])
    fits = len(takes) == 3 and all(
        have in (None, want) for have, want in zip(takes, spec.input_shape, strict=True)
    )
    if not fits:
        raise _error(
            spec,
            "model",
            "reference.input-shape",
            f"the reference takes {takes}, the data set gives {spec.input_shape}",
            "set `dataset.image` to the reference's size, or put a Resizing layer in front of it",
        )
    if gives != (classes,):
        raise _error(
            spec,
            "model",
            "reference.classes",
            f"the reference gives {gives}, the data set has {classes} classes",
            "fine-tune the reference on this data set's classes first",
        )


def _with_logits(model: Model) -> Model:
    """Return `model` with a softmax at its end removed: gradients of sure probabilities vanish."""
    last = model.layers[-1]
    module = _keras_of(model)
    if type(last).__name__ == "Softmax":
        return module.Model(model.inputs[0], last.input, name=model.name)
    if getattr(getattr(last, "activation", None), "__name__", "") == "softmax":
        last.activation = module.activations.linear
    return model
