"""What a report's figures say against the build: said plainly, wherever it is true."""

from __future__ import annotations

from collections.abc import Iterator

from agilenn_cc.report.schema import Quantised, Report

_REFERENCE_SHARE = 0.9  # below this share of its own accuracy the reference no longer reads them
_SMALL_SAMPLE = 200
_SKEWNESS_SLACK = 0.02  # a mean over held-out images varies by about as much
_MOST_DISORDER = 0.05  # share of the images; docs/training.md measures against it
_LEARNED_SHARE = 0.5  # below this share of the reference's accuracy little was learned


def findings(report: Report) -> tuple[str, ...]:
    """Return one sentence for each weakness that the figures show."""
    return (*_payload(report), *_training(report), *_quantised(report))


def _payload(report: Report) -> Iterator[str]:
    payload, raw = report.payload, report.device.input_frame
    if payload is None or payload.bytes_mean is None:
        return
    coded = payload.bytes_mean
    if coded >= raw:
        yield (
            f"The payload ({coded:.0f} B) is no smaller than the raw image ({raw} B): for inputs "
            "this small, sending the image itself costs less on the air."
        )
    if coded >= payload.bytes_raw:
        yield (
            f"{payload.codec} expands the indices ({coded:.0f} B against "
            f"{payload.bytes_raw} B packed)."
        )
    smallest = min(payload.compared, key=lambda name: payload.compared[name], default=None)
    if smallest is not None and round(payload.compared[smallest]) < round(coded):
        yield (
            f"{payload.codec} sends {coded:.0f} B, and {smallest} would send "
            f"{payload.compared[smallest]:.0f} B for the same indices: set payload.codec to it."
        )


def _training(report: Report) -> Iterator[str]:
    training = report.training
    if training is None:
        return
    if training.accuracy_float < _LEARNED_SHARE * training.accuracy_reference:
        yield (
            f"The split reaches {training.accuracy_float:.1%} where its reference reaches "
            f"{training.accuracy_reference:.1%}: train longer, or with another learning rate."
        )
    if training.skewness < training.rho - _SKEWNESS_SLACK:
        yield (
            f"The top channels hold {training.skewness:.1%} of the importance, not the "
            f"{training.rho:.0%} of split.skewness: train longer, or lower training.lambda."
        )
    if training.disorder > _MOST_DISORDER:
        yield (
            f"In {training.disorder:.1%} of the images a channel that is sent outranks a top one: "
            "train longer, or lower training.lambda."
        )
    kept = training.accuracy_reference_on_features
    if kept < _REFERENCE_SHARE * training.accuracy_reference:
        yield (
            f"The reference network reads the final features at {kept:.1%} only (alone: "
            f"{training.accuracy_reference:.1%}), so its importances deserve little trust."
        )


def _quantised(report: Report) -> Iterator[str]:
    quantised = report.quantised
    if quantised is None:
        return
    if quantised.accuracy_remote is not None:
        yield from _combination(quantised, quantised.accuracy_remote)
    if quantised.samples < _SMALL_SAMPLE:
        yield f"Accuracies rest on {quantised.samples} images only."


def _combination(quantised: Quantised, remote: float) -> Iterator[str]:
    if remote > quantised.accuracy + 0.005:
        yield (
            f"The remote net alone ({remote:.1%}) beats the combination "
            f"({quantised.accuracy:.1%}); a smaller alpha may help."
        )
    if quantised.accuracy_local >= quantised.accuracy - 0.005:
        yield (
            f"The local net alone reaches {quantised.accuracy_local:.1%}: offloading gains "
            "nothing here."
        )
