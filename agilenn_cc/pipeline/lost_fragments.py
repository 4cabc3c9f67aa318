"""Accuracy when the radio loses fragments: the server fills gaps, or hears nothing at all."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from agilenn_cc.codec import get_codec
from agilenn_cc.data import Split
from agilenn_cc.ir import combine as rule
from agilenn_cc.ir import reference
from agilenn_cc.pipeline.payload import symbols_of
from agilenn_cc.quantise import QuantisedModel
from agilenn_cc.quantise.evaluate import Remote
from agilenn_cc.serve.context_model import tables_at
from agilenn_cc.spec import Spec

LOSS = 0.1
"""The share of lost fragments that a report tells of."""

_BATCH = 64


def accuracy_with_losses(
    spec: Spec,
    model: QuantisedModel,
    remote: Remote,
    split: Split,
    codec_tables: bytes,
    modal_levels: Sequence[int],
    *,
    loss: float = LOSS,
    rate: int = 0,
) -> float:
    """Return the accuracy on `split` when each fragment is lost with probability `loss`.

    The server puts the channel's level of `modal_levels` [C - k] where symbols are missing; of an
    inference whose fragments are all lost it hears nothing, and the local answer stands. Which
    fragments are lost depends on the spec's seed alone.
    """
    random = np.random.default_rng([spec.seed, int(loss * 1e6), rate])
    right = 0
    for start in range(0, len(split.images), _BATCH):
        tensors = reference.run(model.graph, split.images[start : start + _BATCH], rate)
        indices = tensors["indices"]
        lost = _lost_symbols(spec, indices, tables_at(codec_tables, rate), loss, random)
        arrived = np.where(lost, np.asarray(modal_levels, np.uint8), indices)
        heard = ~lost.all(axis=(1, 2, 3))
        kind = model.graph.tensors["logits"]
        local = rule.local_logits_q8(
            tensors["logits"], rule.local_scale_q24(kind.scale), kind.zero_point
        )
        answered = rule.remote_logits_q8(np.asarray(remote(model.levels_at(rate)[arrived])))
        combined = rule.answer(rule.combine(local, answered, rule.alpha_q15(model.alpha)))
        final = np.where(heard, combined, rule.answer(tensors["logits"]))
        right += int((final == split.labels[start : start + _BATCH]).sum())
    return right / len(split.images)


def _lost_symbols(
    spec: Spec,
    indices: npt.NDArray[np.uint8],
    codec_tables: bytes,
    loss: float,
    random: np.random.Generator,
) -> npt.NDArray[np.bool_]:
    """Return which of the symbols uint8 [N, H, W, C] are lost with their fragments."""
    codec, levels = get_codec(spec.payload.codec), spec.payload.levels
    runs = symbols_of(indices)
    lost = np.zeros(runs.shape, np.bool_)
    for image, run in enumerate(runs):
        begin = 0
        for fragment in codec.encode(run, levels, spec.payload.fragment, codec_tables):
            lost[image, begin : begin + fragment.symbol_count] = random.random() < loss
            begin += fragment.symbol_count
    count, rows, columns, channels = indices.shape
    planes = lost.reshape(count, rows, channels, columns).transpose(0, 1, 3, 2)
    return np.asarray(planes, np.bool_)
