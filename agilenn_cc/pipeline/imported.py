"""From a spec's .tflite file to an evaluated integer model; there is nothing to train."""

from __future__ import annotations

import dataclasses
import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from agilenn_cc.cache import Cache, digest, digest_bytes, digest_rooms
from agilenn_cc.data import dataset_classes
from agilenn_cc.errors import AgilennError, ExitCode
from agilenn_cc.pipeline.events import Listener, StageDone, StageStarted
from agilenn_cc.pipeline.held_out import HeldOut
from agilenn_cc.pipeline.identity import ModelIdentity, identify
from agilenn_cc.pipeline.inputs import LazyDataset
from agilenn_cc.pipeline.learned import AGREEMENT_IMAGES, SAMPLES, one_image_a_class
from agilenn_cc.quantise import QuantisedModel, import_tflite
from agilenn_cc.spec import Spec

NO_CODEC = "none"
_KEY = "network.tflite"
_ANSWERS = "answers.npy"
_MEASURED = "measured.json"
_BATCH = 64


@dataclass(frozen=True)
class Imported:
    """An imported model with what was measured of it on the test split.

    `accuracy` is the integer reference's over `samples` images, `tflite` counts its agreement with
    the TFLite interpreter, `answers` int64 [samples] are its classes; `sample_images` uint8
    [N, H, W, C] are what the example camera shows.
    """

    model: QuantisedModel
    identity: ModelIdentity
    accuracy: float
    samples: int
    tflite: dict[str, int]
    answers: npt.NDArray[np.int64]
    sample_images: npt.NDArray[np.uint8]
    key: str


def import_model(spec: Spec) -> QuantisedModel:
    """Return the network of `network.tflite`, with the class names of the data set.

    Raises:
        AgilennError: exit code 3 if it does not fit the data set, 4 with everything in the file
            that cannot be imported.
    """
    name = spec.network.tflite
    assert name is not None, "a spec without network.tflite is trained"
    data = (spec.base_dir / Path(name).expanduser()).read_bytes()
    where = spec.where(_KEY)
    try:
        graph = import_tflite(data, spec.name)
    except AgilennError as error:
        placed = [dataclasses.replace(found, where=where) for found in error.diagnostics]
        raise AgilennError(error.exit_code, placed) from error
    classes = dataset_classes(spec.dataset, spec.base_dir, where=spec.where)
    shape, outputs = graph.tensors[graph.inputs[0]].shape, graph.tensors[graph.outputs[0]].elements
    if shape != spec.input_shape:
        wanted, given = ("x".join(map(str, each)) for each in (shape, spec.input_shape))
        raise AgilennError.of(
            ExitCode.SPEC,
            "spec.inconsistent",
            f"{name} takes images of {wanted}, and the data set has {given}",
            hint=f"set dataset.image to {wanted}",
            where=where,
        )
    if outputs != len(classes):
        raise AgilennError.of(
            ExitCode.SPEC,
            "spec.inconsistent",
            f"{name} yields {outputs} scores, and the data set has {len(classes)} classes",
            hint="give the data set that the network was trained for",
            where=where,
        )
    # One output and no codebook: alpha 1 leaves the answer to the device.
    return QuantisedModel(graph, np.zeros(0, np.float32), 1.0, classes, {"model": data})


def identify_imported(model: QuantisedModel) -> ModelIdentity:
    """Return the identity of a network that has no remote net and no codec."""
    return identify(model, b"", NO_CODEC, b"")


def evaluate_import(spec: Spec, data: LazyDataset, cache: Cache, notify: Listener) -> Imported:
    """Import the model and measure it on the test split, cached: the stage `quantise`."""
    from agilenn_cc.quantise.oracle import imported_agreement

    began = time.monotonic()
    model = import_model(spec)
    file = model.tflite["model"]
    key = digest(
        {
            "data": data.key,
            "tflite": digest_bytes(file),
            "code": digest_rooms("quantise", "ir"),
        }
    )

    def produce(folder: Path) -> None:
        notify(StageStarted("quantise"))
        test = data.value.test
        answers = _answers(model, test.images)
        np.save(folder / _ANSWERS, answers)
        np.save(folder / SAMPLES, one_image_a_class(test))
        measured = {
            "accuracy": float((answers == test.labels).mean()),
            "tflite": imported_agreement(file, model.graph, test.images[:AGREEMENT_IMAGES]),
        }
        (folder / _MEASURED).write_text(json.dumps(measured, indent=1, sort_keys=True))

    folder, cached = cache.get("import", key, produce)
    measured: dict[str, Any] = json.loads((folder / _MEASURED).read_text())
    answers = np.load(folder / _ANSWERS)
    note = f"int8 accuracy {measured['accuracy']:.1%}; {_pixel_range(model)}"
    notify(StageDone("quantise", time.monotonic() - began, cached, note))
    return Imported(
        model=model,
        identity=identify_imported(model),
        accuracy=measured["accuracy"],
        samples=len(answers),
        tflite=measured["tflite"],
        answers=answers,
        sample_images=np.load(folder / SAMPLES),
        key=key,
    )


def _pixel_range(model: QuantisedModel) -> str:
    """Say what raw pixels mean to the network, which must be what they meant in its training."""
    kind = model.graph.tensors[model.graph.inputs[0]]
    low, high = (kind.scale * (value - kind.zero_point) for value in (-128, 127))
    return f"pixels 0 to 255 mean {low:.3g} to {high:.3g}"


def _answers(model: QuantisedModel, images: npt.NDArray[np.uint8]) -> npt.NDArray[np.int64]:
    """Return the class of each of the uint8 images [N, H, W, C], int64 [N]."""
    from agilenn_cc.ir.combine import answer
    from agilenn_cc.ir.reference import run

    output = model.graph.outputs[0]
    batches = (images[start : start + _BATCH] for start in range(0, len(images), _BATCH))
    return np.concatenate([answer(run(model.graph, batch)[output]) for batch in batches])


def held_out_images(imported: Imported, data: LazyDataset, frames: int, cache: Cache) -> HeldOut:
    """Return the first test frames with the integer reference's answers, cached."""

    def produce(folder: Path) -> None:
        test = data.value.test
        answers = imported.answers[:frames]
        held_out = HeldOut(test.images[:frames], test.labels[:frames], answers, answers)
        (folder / "frames").write_bytes(held_out.to_bytes())

    key = digest({"import": imported.key, "frames": frames})
    entry, _cached = cache.get("held-out", key, produce)
    return HeldOut.from_bytes((entry / "frames").read_bytes())
