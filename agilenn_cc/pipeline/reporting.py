"""Puts together the report of a build, or of an untrained network."""

from __future__ import annotations

from pathlib import Path

from agilenn_cc.pipeline.device import Firmware
from agilenn_cc.pipeline.identity import ModelIdentity
from agilenn_cc.pipeline.learned import Learned
from agilenn_cc.pipeline.proof import Proof
from agilenn_cc.pipeline.versions import versions
from agilenn_cc.report.assemble import device_section
from agilenn_cc.report.costs import estimate, estimate_alone
from agilenn_cc.report.schema import (
    EndToEnd,
    Estimate,
    Payload,
    Quantised,
    Rate,
    Report,
    TfliteAgreement,
    Training,
    Verify,
)
from agilenn_cc.serve.protocol import HEADER_BYTES
from agilenn_cc.spec import Spec
from agilenn_cc.targets import Target
from agilenn_cc.verify.elf import ElfMeasurement

SPLIT, ON_DEVICE = "agilenn", "on-device"


def untrained_report(
    spec: Spec,
    target: Target,
    identity: ModelIdentity,
    firmware: Firmware,
    elf: Path,
    payload: Payload | None,
    run: ElfMeasurement | None,
) -> Report:
    """Return the report of a network with random weights: sizes and counts, no accuracies.

    `payload` is None for a network that answers without a server.
    """
    device = device_section(elf, target, firmware.program, run)
    total = None if device.instructions is None else device.instructions.total
    return Report(
        spec=spec.name,
        scheme=ON_DEVICE if payload is None else SPLIT,
        target=target.name,
        seed=spec.seed,
        model_id=f"{identity.model_id:08x}",
        versions={**versions(), **_library_version(firmware)},
        training=None,
        quantised=None,
        payload=payload,
        device=device,
        estimate=_estimate(spec, target, total, payload),
        verify=None,
        end_to_end=None,
    )


def build_report(
    spec: Spec,
    target: Target,
    learned: Learned,
    firmware: Firmware,
    elf: Path,
    payload: Payload,
    rates: tuple[Rate, ...],
    proof: Proof,
    end: EndToEnd | None,
) -> Report:
    """Return the report of a proven build."""
    bare = untrained_report(spec, target, learned.identity, firmware, elf, payload, proof.run)
    return bare.model_copy(
        update={
            "training": Training.model_validate(learned.training),
            "quantised": Quantised.model_validate(learned.quantised),
            "verify": Verify(
                emulated=proof.run is not None,
                samples=proof.samples,
                tensors=proof.tensors,
                firmware_tensors=proof.firmware_tensors,
                mismatches=0,  # a single one would have ended the build
                tflite=TfliteAgreement.model_validate(learned.tflite),
            ),
            "end_to_end": end,
            "rates": rates,
        }
    )


def _library_version(firmware: Firmware) -> dict[str, str]:
    library = firmware.library
    return {} if library is None else {library.name: library.version}


def _estimate(
    spec: Spec, target: Target, instructions: int | None, payload: Payload | None
) -> Estimate | None:
    if instructions is None:
        return None
    if payload is None:
        return estimate_alone(target, instructions)
    fragments = payload.fragments_mean or 1.0
    coded = payload.bytes_raw if payload.bytes_mean is None else payload.bytes_mean
    datagrams = coded + HEADER_BYTES * fragments
    return estimate(target, instructions, datagrams, fragments, spec.link.baud)
