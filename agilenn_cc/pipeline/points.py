"""One point of an experiment: a spec trained, quantised, coded, if wanted counted on a board."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from agilenn_cc.cache import Cache, digest, digest_rooms
from agilenn_cc.data import Split
from agilenn_cc.learn import history
from agilenn_cc.learn.history import History
from agilenn_cc.learn.options import TrainingOptions
from agilenn_cc.pipeline.analysis import count_instructions
from agilenn_cc.pipeline.device import CompileOptions, compile_device, emit_firmware, link_firmware
from agilenn_cc.pipeline.events import Listener
from agilenn_cc.pipeline.inputs import LazyDataset
from agilenn_cc.pipeline.learned import Learned, quantise_split, train_split
from agilenn_cc.pipeline.lost_fragments import accuracy_with_losses
from agilenn_cc.pipeline.payload import mean_bytes, measure_payload, tables_of
from agilenn_cc.pipeline.reporting import untrained_report
from agilenn_cc.report.schema import Report
from agilenn_cc.serve.context_model import tables_at
from agilenn_cc.spec import Spec
from agilenn_cc.targets import Target

CODECS = ("lzw", "context")
CODED_IMAGES = 2000
"""Test images whose bytes are counted: coding in Python takes some ten milliseconds an image."""

_COUNTED_IMAGES = 2
_FILE = "rates.json"


@dataclass(frozen=True)
class RatePoint:
    """The quantised split at one of its rates, on the whole test split.

    `factor` stretches the quantiser's step; `bytes_mean` are mean coded bytes an image by codec,
    without datagram headers; `loss_costs` is what accuracy falls by when 10 % of all fragments are
    lost. These two are of the first `CODED_IMAGES` images.
    """

    factor: float
    accuracy: float
    accuracy_local: float
    accuracy_remote: float
    loss_costs: float
    bytes_mean: Mapping[str, float]


@dataclass(frozen=True)
class Point:
    """What came of a spec; `report`: sizes, counts and estimates of its firmware, if wanted."""

    spec: Spec
    learned: Learned
    rates: tuple[RatePoint, ...]
    report: Report | None

    @property
    def history(self) -> History:
        """What each epoch of the training measured."""
        return history.read(self.learned.split_directory)

    def row(self) -> dict[str, Any]:
        """Return the figures that a table shows, by name; those of the first rate."""
        training, rate = self.learned.training, self.rates[0]
        row: dict[str, Any] = {
            "accuracy": rate.accuracy,
            "accuracy_float": training["accuracy_float"],
            "accuracy_local": rate.accuracy_local,
            "accuracy_remote": rate.accuracy_remote,
            "lost_fragments_cost": rate.loss_costs,
            "accuracy_reference": training["accuracy_reference"],
            "accuracy_reference_on_features": training["accuracy_reference_on_features"],
            "skewness": training["skewness"],
            "disorder": training["disorder"],
            "alpha": training["alpha"],
            **{f"bytes_{name}": size for name, size in rate.bytes_mean.items()},
            "seconds": training["seconds"],
        }
        if self.report is not None:
            row.update(flash=self.report.device.flash, ram=self.report.device.ram)
            if self.report.device.instructions and self.report.estimate:
                row["instructions"] = self.report.device.instructions.total
                row["latency_ms_estimate"] = self.report.estimate.latency_ms.total
                row["energy_mj_estimate"] = self.report.estimate.energy_mj.total
        return row


def run_point(
    spec: Spec,
    cache: Cache,
    notify: Listener,
    *,
    target: Target | None = None,
    options: TrainingOptions | None = None,
) -> Point:
    """Train, quantise and code what `spec` describes; everything is cached by content.

    `options` say how to train. With a `target`, the trained firmware is linked and, where the
    emulator knows the board, run.

    Raises:
        AgilennError: exit codes 3 (spec, data), 4 (unsupported), 5 (does not fit), 7 (external).
    """
    data = LazyDataset(spec, notify)
    folder, key = train_split(spec, data, cache, notify, options)
    learned = quantise_split(spec, data, folder, key, cache, notify)
    rates = _rates(spec, learned, data, cache)
    report = None if target is None else _firmware_report(spec, learned, target, cache)
    return Point(spec, learned, rates, report)


def _rates(spec: Spec, learned: Learned, data: LazyDataset, cache: Cache) -> tuple[RatePoint, ...]:
    from agilenn_cc import learn, quantise

    def produce(folder: Path) -> None:
        remote = learn.load(learned.split_directory).remote
        test = data.value.test
        coded = Split(test.images[:CODED_IMAGES], test.labels[:CODED_IMAGES])
        tables = {name: tables_of(name, spec, data, learned, cache) for name in CODECS}
        found = []
        for rate, factor in enumerate(learned.model.rates):
            answers = quantise.answer(learned.model, remote, test.images, rate)
            right = answers.combined == test.labels
            with_losses = accuracy_with_losses(
                spec,
                learned.model,
                remote,
                coded,
                learned.codec_tables,
                learned.rates[rate].modal_levels,
                rate=rate,
            )
            found.append(
                RatePoint(
                    factor,
                    float(right.mean()),
                    float((answers.local == test.labels).mean()),
                    float((answers.remote == test.labels).mean()),
                    float(right[: len(coded.images)].mean()) - with_losses,
                    mean_bytes(
                        answers.indices[: len(coded.images)],
                        len(learned.model.levels),
                        _CAPACITY,
                        {name: tables_at(own, rate) for name, own in tables.items()},
                    ),
                )
            )
        (folder / _FILE).write_text(json.dumps([asdict(point) for point in found]))

    key = digest(
        {
            "quantise": learned.key,
            "codecs": list(CODECS),
            "payload": spec.canonical()["payload"],
            "code": digest_rooms(
                "codec", "serve", "pipeline/points.py", "pipeline/lost_fragments.py"
            ),
        }
    )
    folder, _cached = cache.get("points", key, produce)
    return tuple(RatePoint(**point) for point in json.loads((folder / _FILE).read_text()))


_CAPACITY = 1400  # the largest `payload.fragment`


def _firmware_report(spec: Spec, learned: Learned, target: Target, cache: Cache) -> Report:
    program = compile_device(target, learned.model, learned.identity, CompileOptions())
    firmware = emit_firmware(
        spec,
        target,
        program,
        learned.model.alpha,
        learned.sample_images,
        learned.codec_tables,
    )
    elf, _cached = link_firmware(firmware, cache)
    run, _cached = count_instructions(
        elf, firmware, target, learned.sample_images[:_COUNTED_IMAGES], cache
    )
    payload = measure_payload(spec, learned.test_indices, learned.codec_tables)
    return untrained_report(spec, target, learned.identity, firmware, elf, payload, run)
