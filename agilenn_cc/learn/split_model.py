"""`SplitModel`, the trained split network: what training gives and quantisation takes."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors.numpy import load_file

from agilenn_cc.learn import history, importance_change
from agilenn_cc.learn.backend import Model, keras
from agilenn_cc.learn.checkpoint import dump
from agilenn_cc.learn.convolution import plain_config
from agilenn_cc.learn.history import History
from agilenn_cc.learn.images import iter_batches, normalise
from agilenn_cc.learn.importance_change import ImportanceChange


@dataclass(frozen=True)
class Prediction:
    """Float logits [N, classes] of the local net, the remote net and their combination."""

    local: npt.NDArray[np.float32]
    remote: npt.NDArray[np.float32]
    combined: npt.NDArray[np.float32]


@dataclass(frozen=True)
class SplitModel:
    """The float networks of a split; batch norm is not folded.

    `extractor`: images [N, H, W, C] in (pixel - 128) / 128 to features; `local`: the first `top`
    channels to logits; `remote`: the others, quantised to `levels` (float32, ascending), to logits.
    `alpha` weighs the local answer. `metrics` is the `training` part of the report,
    `importance` that of the channels before and after, `history` what each epoch measured.
    `rates` are the step factors that it was trained for; a rate is named by its number in them.
    """

    extractor: Model
    local: Model
    remote: Model
    levels: npt.NDArray[np.float32]
    alpha: float
    top: int
    classes: tuple[str, ...]
    metrics: Mapping[str, Any]
    importance: ImportanceChange = field(default_factory=ImportanceChange)
    history: History = ()
    rates: tuple[float, ...] = (1.0,)

    def features(self, images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """Return the features [N, H, W, C] of raw images uint8 [N, H, W, C]."""
        return _run(self.extractor, _normalised(images))

    def levels_at(self, rate: int = 0) -> npt.NDArray[np.float32]:
        """Return the levels [L] of rate number `rate`: stretched by its step factor."""
        return np.asarray(self.levels * np.float32(self.rates[rate]), dtype=np.float32)

    def indices(self, features: npt.NDArray[np.float32], rate: int = 0) -> npt.NDArray[np.uint8]:
        """Return the quantiser's indices [N, H, W, C - top] of the sent features."""
        return nearest_level(features[..., self.top :], self.levels_at(rate))

    def predict(self, images: npt.NDArray[np.uint8], rate: int = 0) -> Prediction:
        """Return the float logits for raw images; the sent features are hard-quantised."""
        return self.answer(self.features(images), rate)

    def answer(self, features: npt.NDArray[np.float32], rate: int = 0) -> Prediction:
        """Return the float logits for `features` [N, H, W, C]."""
        local = _run(self.local, iter_batches(features[..., : self.top]))
        sent = self.levels_at(rate)[self.indices(features, rate)]
        remote = _run(self.remote, iter_batches(sent))
        combined = self.alpha * local + (1.0 - self.alpha) * remote
        return Prediction(local, remote, combined.astype(np.float32))


def nearest_level(values: npt.NDArray[Any], levels: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    """Return the index of the nearest of the ascending `levels`, ties to the lower."""
    edges = (levels[1:].astype(np.float64) + levels[:-1]) / 2
    return np.searchsorted(edges, values, side="left").astype(np.uint8)


def _normalised(images: npt.NDArray[np.uint8]) -> Iterator[npt.NDArray[np.float32]]:
    return (normalise(batch) for batch in iter_batches(images))


def _run(model: Model, batches: Iterator[npt.NDArray[Any]]) -> npt.NDArray[np.float32]:
    return np.concatenate([model(batch, training=False).numpy() for batch in batches])


def save(split: SplitModel, directory: Path) -> None:
    """Write the split to `directory`: its arrays and four JSON files.

    Equal splits give equal bytes; only timing.json, how long training took, differs between runs.
    """
    directory.mkdir(parents=True, exist_ok=True)
    arrays: dict[str, npt.NDArray[Any]] = {"levels": split.levels}
    configs: dict[str, Any] = {}
    for name in ("extractor", "local", "remote"):
        model = getattr(split, name)
        configs[name] = plain_config(model.get_config())
        for index, value in enumerate(model.get_weights()):
            arrays[f"{name}/{index:04d}"] = value
    described = {
        "format": 1,
        "networks": configs,
        "alpha": split.alpha,
        "top": split.top,
        "classes": list(split.classes),
        "rates": list(split.rates),
        "metrics": {k: v for k, v in split.metrics.items() if k != "seconds"},
    }
    (directory / "model.safetensors").write_bytes(dump(arrays, {}))
    _write_json(directory / "model.json", described)
    _write_json(directory / importance_change.FILE_NAME, split.importance.to_json())
    _write_json(directory / history.FILE_NAME, history.to_json(split.history))
    _write_json(directory / "timing.json", {"seconds": split.metrics.get("seconds")})


def _write_json(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def load(directory: Path) -> SplitModel:
    """Read what `save` wrote."""
    described = json.loads((directory / "model.json").read_text(encoding="utf-8"))
    timing = json.loads((directory / "timing.json").read_text(encoding="utf-8"))
    arrays = load_file(str(directory / "model.safetensors"))
    models = {
        name: _restore(
            config, [arrays[key] for key in sorted(arrays) if key.startswith(name + "/")]
        )
        for name, config in described["networks"].items()
    }
    return SplitModel(
        extractor=models["extractor"],
        local=models["local"],
        remote=models["remote"],
        levels=arrays["levels"],
        alpha=float(described["alpha"]),
        top=int(described["top"]),
        classes=tuple(described["classes"]),
        metrics={**described["metrics"], **timing},
        importance=importance_change.read(directory),
        rates=tuple(described["rates"]),
        history=history.read(directory),
    )


def _restore(config: Any, weights: Sequence[npt.NDArray[Any]]) -> Model:
    model = keras.Model.from_config(config)
    model.set_weights(weights)
    return model
