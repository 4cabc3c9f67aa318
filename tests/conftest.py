"""What all tests share: a reproducible TensorFlow, and a report whose figures are easy to check."""

import os

# As agilenn_cc.learn.backend sets them; a test may load TensorFlow before that does.
os.environ["TF_USE_LEGACY_KERAS"] = "1"
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ["TF_ENABLE_ONEDNN_OPTS"] = "0"

import pytest

from agilenn_cc.report.schema import (
    Device,
    EndToEnd,
    EnergyEstimate,
    Estimate,
    Instructions,
    LatencyEstimate,
    LayerCost,
    MemoryPart,
    Payload,
    Quantised,
    RegionUse,
    Report,
    TfliteAgreement,
    Training,
    Verify,
)


@pytest.fixture
def report() -> Report:
    return Report(
        spec="digits",
        scheme="agilenn",
        target="stm32f746g-disco",
        seed=7,
        model_id="1a2b3c4d",
        versions={"agilenn-cc": "0.1.0"},
        training=Training(
            accuracy_reference=0.95,
            accuracy_reference_on_features=0.93,
            accuracy_float=0.96,
            accuracy_local=0.7,
            accuracy_remote=0.94,
            skewness=0.82,
            rho=0.8,
            disorder=0.03,
            alpha=0.45,
            k=5,
            channels=24,
            epochs=20,
            best_epoch=18,
            seconds=12.5,
        ),
        quantised=Quantised(accuracy=0.955, accuracy_local=0.7, accuracy_remote=0.94, samples=400),
        payload=Payload(
            codec="lzw",
            symbols=1000,
            levels=8,
            bytes_raw=375,
            bytes_mean=200.0,
            bytes_p95=240.0,
            fragments_mean=1.0,
        ),
        device=Device(
            flash=40_000,
            ram=30_000,
            ram_parts=(
                MemoryPart(name="network", bytes=26_000),
                MemoryPart(name="stack", bytes=4_000),
            ),
            input_frame=1_024,
            stack=700,
            stack_reserved=4_000,
            regions=(RegionUse(name="FLASH", used=40_000, size=1_048_576),),
            instructions=Instructions(
                total=1_000, extractor=700, local=100, quantise=100, encode=100
            ),
            layers=(
                LayerCost(
                    name="features",
                    shape=(8, 8, 24),
                    macs=5_000,
                    params=240,
                    instructions=700,
                    ram=192,
                    flash=480,
                    kernel="specialised",
                ),
            ),
        ),
        estimate=Estimate(
            latency_ms=LatencyEstimate(device=1.0, network=2.0, remote=3.0, total=6.0),
            energy_mj=EnergyEstimate(compute=1.0, radio=2.0, total=3.0),
            assumptions={"baud": 921600},
        ),
        verify=Verify(
            emulated=True,
            samples=100,
            tensors=8,
            firmware_tensors=6,
            mismatches=0,
            tflite=TfliteAgreement(equal=999, off_by_one=1, worse=0),
        ),
        end_to_end=EndToEnd(frames=100, answered=100, agreed=100, accuracy=0.95),
    )
