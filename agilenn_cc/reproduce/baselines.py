"""Baselines that train a network of their own: plain images, and images sent as JPEG. Cached."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from agilenn_cc.cache import digest, digest_rooms
from agilenn_cc.data import Split
from agilenn_cc.learn import Progress
from agilenn_cc.pipeline.events import StageProgress
from agilenn_cc.reproduce.jpeg import lzw_bytes, png_bytes, transmit, transmit_each
from agilenn_cc.spec import Spec

if TYPE_CHECKING:
    from agilenn_cc.learn.plain import Channel
    from agilenn_cc.reproduce.lab import Lab

QUALITIES = (5, 10, 15, 20, 30, 50, 75, 90)
"""JPEG qualities that accuracy is measured at."""

LOWEST, HIGHEST = 3, 95
CLEAN_SHARE = 0.2
"""Qualities that the JPEG nets are trained on, and the share of images left as they are."""

_FILE = "measured.json"


@dataclass(frozen=True)
class PlainRun:
    """A plain network's accuracy on the test images, and its epochs' metrics."""

    accuracy: float
    epochs: tuple[Mapping[str, float], ...]

    def curve(self, metric: str) -> list[float]:
        """Return a metric by epoch."""
        return [epoch[metric] for epoch in self.epochs]


@dataclass(frozen=True)
class ImagePoint:
    """Images sent by a scheme: accuracy behind it and mean bytes an image.

    `scan_bytes` counts a JPEG's entropy-coded data alone, `file_bytes` all that would be stored.
    """

    scheme: str
    setting: str
    accuracy: float
    scan_bytes: float
    file_bytes: float


def plain_runs(lab: Lab) -> tuple[PlainRun, ...]:
    """Train the plain network on the images as they are, once a seed."""

    def measure(spec: Spec, seed: int) -> dict[str, Any]:
        from agilenn_cc.learn.plain import train_plain

        data = lab.data(seed).value
        trained = train_plain(spec, data, None, _teller(lab, "plain network"))
        return {
            "accuracy": trained.accuracy(data.test.images, data.test.labels),
            "epochs": [dict(record.metrics) for record in trained.history],
        }

    found = (_cached(lab, seed, {"what": "plain"}, measure) for seed in lab.seeds)
    return tuple(PlainRun(each["accuracy"], tuple(each["epochs"])) for each in found)


def jpeg_points(lab: Lab, seed: int, half: bool) -> tuple[ImagePoint, ...]:
    """Train one network for all qualities of JPEG at native or half size, and measure each.

    What the network answers to images that came unchanged (`setting` is `clean`) is measured too;
    at native size that is what lossless schemes get.
    """

    def measure(spec: Spec, seed: int) -> dict[str, Any]:
        from agilenn_cc.learn.plain import train_plain

        data, name = lab.data(seed).value, "half size" if half else "native"
        channel = _channel(half)
        trained = train_plain(spec, data, channel, _teller(lab, f"network for JPEG, {name}"))
        test = data.test
        points = []
        for quality in (0, *QUALITIES):
            sent = transmit(test.images, quality, half)
            points.append(
                ImagePoint(
                    f"JPEG, {name}",
                    f"q {quality}" if quality else "clean",
                    trained.accuracy(sent.images, test.labels),
                    float(sent.scans.mean()),
                    float(sent.files.mean()),
                )
            )
        return {"points": [asdict(point) for point in points]}

    told = {
        "what": "jpeg",
        "half": half,
        "qualities": list(QUALITIES),
        "trained_on": [LOWEST, HIGHEST, CLEAN_SHARE],
    }
    return tuple(ImagePoint(**point) for point in _cached(lab, seed, told, measure)["points"])


def lossless_points(lab: Lab, seed: int, accuracy: float) -> tuple[ImagePoint, ...]:
    """Return raw pixels, raw pixels under LZW, and PNG, which all arrive unchanged."""

    def measure(_spec: Spec, seed: int) -> dict[str, Any]:
        test: Split = lab.data(seed).value.test
        return {
            "raw": float(test.images[0].size),
            "raw + LZW": float(np.mean([lzw_bytes(image.tobytes()) for image in test.images])),
            "PNG": float(np.mean([png_bytes(image) for image in test.images])),
        }

    sizes = _cached(lab, seed, {"what": "lossless"}, measure)
    return tuple(
        ImagePoint(scheme, "lossless", accuracy, size, size) for scheme, size in sizes.items()
    )


def _channel(half: bool) -> Channel:
    """Return the channel that sends each image at a quality of its own, some as they are."""

    def send(
        images: npt.NDArray[np.uint8], generator: np.random.Generator
    ) -> npt.NDArray[np.uint8]:
        qualities = np.exp(
            generator.uniform(np.log(LOWEST), np.log(HIGHEST + 1), len(images))
        ).astype(np.int64)
        clean = generator.random(len(images)) < CLEAN_SHARE
        return transmit_each(images, np.where(clean, 0, qualities), half).images

    return send


def _teller(lab: Lab, what: str) -> Callable[[Progress], None]:
    def tell(progress: Progress) -> None:
        lab.notify(StageProgress("train", progress.epoch, progress.epochs, what, progress.metrics))

    return tell


def _cached(
    lab: Lab, seed: int, told: Mapping[str, Any], measure: Callable[[Spec, int], dict[str, Any]]
) -> dict[str, Any]:
    """Return what `measure` gives for the lab's spec and a seed, from the cache if it is there.

    The key holds what a plain network depends on: no loss, codec or extractor beside its shape.
    """
    spec = lab.load(seed=seed)
    training = spec.canonical()["training"]
    names = ("epochs", "remote_epochs", "optimizer", "learning_rate", "weight_decay", "batch")
    key = digest(
        {
            **told,
            "data": lab.data(seed).key,
            "remote": spec.canonical()["network"]["remote"],
            "features": list(spec.feature_shape[:2]),
            "training": {name: training[name] for name in names},
            "code": digest_rooms("learn", "reproduce/baselines.py", "reproduce/jpeg.py"),
        }
    )

    def produce(folder: Path) -> None:
        (folder / _FILE).write_text(json.dumps(measure(spec, seed)))

    folder, _was_there = lab.cache.get("baseline", key, produce)
    found: dict[str, Any] = json.loads((folder / _FILE).read_text())
    return found
