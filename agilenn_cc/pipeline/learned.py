"""From a spec to a quantised model: data, training, quantisation, each cached by content."""

from __future__ import annotations

import json
import shutil
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from agilenn_cc.cache import Cache, digest, digest_rooms, digest_sources
from agilenn_cc.data import Split
from agilenn_cc.learn import (
    BatchProgress,
    Progress,
    Resumed,
    TrainingOptions,
    headline,
    history,
    worker_index,
)
from agilenn_cc.pipeline.codec_tables import indices_of, trained_tables
from agilenn_cc.pipeline.events import (
    Listener,
    StageDone,
    StageNote,
    StageProgress,
    StageStarted,
)
from agilenn_cc.pipeline.identity import ModelIdentity, identify
from agilenn_cc.pipeline.inputs import LazyDataset
from agilenn_cc.quantise import QuantisedModel
from agilenn_cc.spec import Spec

CALIBRATION_IMAGES = 256
AGREEMENT_IMAGES = 100
PAYLOAD_IMAGES = 1000
SAMPLE_CLASSES = 4
SECONDS = "seconds"  # wall time, kept apart from what is reproducible
SAMPLES = "sample_images.npy"


@dataclass(frozen=True)
class LearnedRate:
    """What is measured of one rate of the quantiser; see `Learned`."""

    factor: float
    quantised: dict[str, Any]
    modal_levels: tuple[int, ...]
    test_indices: npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Learned:
    """A trained and quantised model with what was measured of it on the test split.

    `remote_net` is the full-precision remote net as a serialised GraphDef; `training`,
    `quantised` and `tflite` are sections of the report; `test_indices` uint8 [N, H, W, C - k] is
    what the device sends for the first test images; `codec_tables` are what the codec was trained
    to (empty for most); `sample_images` uint8 [N, H, W, C] are what
    the example camera shows. All of that is of the first rate; `coarser` are the others.
    """

    model: QuantisedModel
    remote_net: bytes
    split_directory: Path
    training: dict[str, Any]
    quantised: dict[str, Any]
    tflite: dict[str, int]
    modal_levels: tuple[int, ...]
    identity: ModelIdentity
    codec_tables: bytes
    test_indices: npt.NDArray[np.uint8]
    sample_images: npt.NDArray[np.uint8]
    key: str
    coarser: tuple[LearnedRate, ...] = ()

    @property
    def rates(self) -> tuple[LearnedRate, ...]:
        """All rates, the finest first."""
        first = LearnedRate(1.0, self.quantised, self.modal_levels, self.test_indices)
        return (first, *self.coarser)


def _reference_key(spec: Spec) -> str:
    path = spec.base_dir / Path(spec.reference.model).expanduser()
    return digest_sources(path) if path.exists() else spec.reference.model


def train_split(
    spec: Spec,
    data: LazyDataset,
    cache: Cache,
    notify: Listener,
    options: TrainingOptions | None = None,
) -> tuple[Path, str]:
    """Return the folder of the trained split and its key; trains if it is not cached.

    Logs for TensorBoard are written in either case.
    """
    from agilenn_cc import learn

    options = options or TrainingOptions()
    canonical = spec.canonical()
    key = digest(
        {
            "data": data.key,
            "spec": {k: canonical[k] for k in ("seed", "reference", "network", "split")},
            "training": {
                k: v for k, v in canonical["training"].items() if k not in learn.WITHOUT_EFFECT
            },
            "levels": spec.payload.levels,
            "rates": list(spec.payload.rates),
            "reference": _reference_key(spec),
            "code": digest_rooms("learn"),
            # Other devices add up in another order: the same training, but not the same bytes.
            **({} if options.strategy == "none" else {"strategy": options.strategy}),
        }
    )
    worker = worker_index() if options.strategy == "multi-worker" else 0
    watched = replace(
        options,
        on_batch=lambda batch: notify(_batch_event(batch)),
        on_resume=lambda resumed: notify(_resume_event(resumed)),
    )

    def produce(folder: Path) -> None:
        notify(StageStarted("train"))
        work = cache.work("train", f"worker-{worker}-{key}" if worker else key)
        trained = learn.train(
            spec, data.value, work, lambda epoch: notify(_epoch_event(epoch)), watched
        )
        learn.save(trained, folder)
        (folder / SECONDS).write_text(f"{time.monotonic() - began:.1f}\n")
        shutil.rmtree(work, ignore_errors=True)

    began = time.monotonic()
    folder, cached = cache.get("train", key, produce)
    if cached and options.tensorboard is not None:
        learn.write_tensorboard(history.read(folder), options.tensorboard)
    metrics = json.loads((folder / "model.json").read_text())["metrics"]
    note = f"accuracy {metrics['accuracy_float']:.1%}, skewness {metrics['skewness']:.1%}"
    notify(StageDone("train", time.monotonic() - began, cached, note))
    return folder, key


def _epoch_event(progress: Progress) -> StageProgress:
    return StageProgress(
        "train",
        progress.epoch,
        progress.epochs,
        progress.stage,
        headline(progress.metrics),
        left=progress.left,
    )


def _batch_event(progress: BatchProgress) -> StageProgress:
    return StageProgress(
        "train",
        progress.epoch,
        progress.epochs,
        progress.stage,
        # The last batch is not the end of an epoch: it has still to be measured.
        within=progress.batch / (progress.batches + 1),
        left=progress.left,
    )


def _resume_event(resumed: Resumed) -> StageNote:
    return StageNote(
        "train",
        f"goes on from epoch {resumed.epoch + 1} of {resumed.epochs} of stage {resumed.stage} "
        "(--no-resume starts anew)",
    )


def _training_metrics(folder: Path) -> dict[str, Any]:
    metrics: dict[str, Any] = json.loads((folder / "model.json").read_text())["metrics"]
    return {**metrics, "seconds": float((folder / SECONDS).read_text())}


def quantise_split(
    spec: Spec,
    data: LazyDataset,
    split_folder: Path,
    train_key: str,
    cache: Cache,
    notify: Listener,
) -> Learned:
    """Return the quantised model of a trained split, evaluated on the test images."""
    from agilenn_cc import learn, quantise
    from agilenn_cc.quantise.oracle import agreement

    key = digest(
        {
            "train": train_key,
            "quantisation": spec.training.quantisation,
            "code": digest_rooms("quantise", "ir", "pipeline/learned.py"),
        }
    )

    def produce(folder: Path) -> None:
        notify(StageStarted("quantise"))
        split = learn.load(split_folder)
        calibration = data.value.train.images[:CALIBRATION_IMAGES]
        model = quantise.quantise(spec, split, calibration)
        quantise.save(model, folder)
        (folder / "remote_net.pb").write_bytes(quantise.export_remote(split))
        test = data.value.test
        for rate in range(len(model.rates)):
            np.save(
                folder / _indices_file(rate),
                indices_of(model.graph, test.images[:PAYLOAD_IMAGES], rate),
            )
        np.save(folder / SAMPLES, one_image_a_class(test))
        summary = {
            "tflite": agreement(model, test.images[:AGREEMENT_IMAGES]),
            "rates": [
                {
                    "quantised": quantise.evaluate(model, split.remote, test, rate),
                    "modal_levels": modal_levels(model, calibration, rate),
                }
                for rate in range(len(model.rates))
            ],
        }
        (folder / "measured.json").write_text(json.dumps(summary, indent=1, sort_keys=True))

    began = time.monotonic()
    folder, cached = cache.get("quantise", key, produce)
    measured = json.loads((folder / "measured.json").read_text())
    model = quantise.load(folder)
    remote_net = (folder / "remote_net.pb").read_bytes()
    tables = trained_tables(spec, data, model, key, cache)
    rates = tuple(
        LearnedRate(
            factor,
            found["quantised"],
            tuple(found["modal_levels"]),
            np.load(folder / _indices_file(rate)),
        )
        for rate, (factor, found) in enumerate(zip(model.rates, measured["rates"], strict=True))
    )
    first = rates[0]
    accuracy = first.quantised["accuracy"]
    notify(StageDone("quantise", time.monotonic() - began, cached, f"int8 accuracy {accuracy:.1%}"))
    return Learned(
        model=model,
        remote_net=remote_net,
        split_directory=split_folder,
        training=_training_metrics(split_folder),
        quantised=first.quantised,
        tflite=measured["tflite"],
        modal_levels=first.modal_levels,
        identity=identify(model, remote_net, spec.payload.codec, tables),
        codec_tables=tables,
        test_indices=first.test_indices,
        sample_images=np.load(folder / SAMPLES),
        key=key,
        coarser=rates[1:],
    )


def _indices_file(rate: int) -> str:
    return f"test_indices_{rate}.npy"


def one_image_a_class(split: Split) -> npt.NDArray[np.uint8]:
    """Return the first image of each of the first few classes of a split."""
    _labels, first = np.unique(split.labels, return_index=True)
    return split.images[first[:SAMPLE_CLASSES]]


def modal_levels(model: QuantisedModel, images: npt.NDArray[np.uint8], rate: int = 0) -> list[int]:
    """Return each sent channel's most frequent index over uint8 images [N, H, W, C]."""
    indices = indices_of(model.graph, images, rate)
    levels = len(model.levels)
    flat = indices.reshape(-1, indices.shape[-1])
    return [int(np.bincount(channel, minlength=levels).argmax()) for channel in flat.T]
