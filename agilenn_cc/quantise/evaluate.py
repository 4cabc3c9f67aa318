"""Accuracy of the integer device part and the float remote net, combined as the board does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from agilenn_cc.data import Split
from agilenn_cc.ir import combine as rule
from agilenn_cc.ir import reference
from agilenn_cc.quantise.model import QuantisedModel

Remote: TypeAlias = Callable[[npt.NDArray[np.float32]], Any]
"""The sent features [N, H, W, C - k] to logits [N, classes]; a Keras model is one."""

BATCH = 64


@dataclass(frozen=True)
class Answers:
    """Classes [N] that the local net, the remote net and the combination of both answer.

    `indices` uint8 [N, H, W, C - k] is what the device would send.
    """

    local: npt.NDArray[np.int64]
    remote: npt.NDArray[np.int64]
    combined: npt.NDArray[np.int64]
    indices: npt.NDArray[np.uint8]


def answer(
    quantised: QuantisedModel, remote: Remote, images: npt.NDArray[np.uint8], rate: int = 0
) -> Answers:
    """Return what the split answers to raw `images` uint8 [N, H, W, C] at one of its rates."""
    parts = [
        _answer_batch(quantised, remote, images[start : start + BATCH], rate)
        for start in range(0, len(images), BATCH)
    ]
    return Answers(
        *(
            np.concatenate([getattr(part, name) for part in parts])
            for name in ("local", "remote", "combined", "indices")
        )
    )


def _answer_batch(
    quantised: QuantisedModel, remote: Remote, images: npt.NDArray[np.uint8], rate: int
) -> Answers:
    tensors = reference.run(quantised.graph, images, rate)
    kind = quantised.graph.tensors["logits"]
    scale = rule.local_scale_q24(kind.scale)
    local = rule.local_logits_q8(tensors["logits"], scale, kind.zero_point)
    logits = np.asarray(remote(quantised.levels_at(rate)[tensors["indices"]]))
    remote_q8 = rule.remote_logits_q8(logits)
    scores = rule.combine(local, remote_q8, rule.alpha_q15(quantised.alpha))
    return Answers(
        rule.answer(tensors["logits"]),
        rule.answer(remote_q8),
        rule.answer(scores),
        tensors["indices"],
    )


def evaluate(
    quantised: QuantisedModel, remote: Remote, split: Split, rate: int = 0
) -> dict[str, Any]:
    """Return the `quantised` part of the report: accuracies on `split` and the sample count."""
    found = answer(quantised, remote, split.images, rate)
    return {
        "accuracy": float((found.combined == split.labels).mean()),
        "accuracy_local": float((found.local == split.labels).mean()),
        "accuracy_remote": float((found.remote == split.labels).mean()),
        "samples": len(split.labels),
    }
