"""Accuracy of a quantised split under other combination weights than the trained one."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from agilenn_cc.ir import combine as rule
from agilenn_cc.ir import reference
from agilenn_cc.pipeline.inputs import LazyDataset
from agilenn_cc.pipeline.points import Point

_BATCH = 64


def accuracy_by_alpha(point: Point, data: LazyDataset, alphas: Sequence[float]) -> list[float]:
    """Return the accuracy on the test images for each alpha, by the device's integer rule."""
    from agilenn_cc import learn

    model, test = point.learned.model, data.value.test
    remote = learn.load(point.learned.split_directory).remote
    kind = model.graph.tensors["logits"]
    scale = rule.local_scale_q24(kind.scale)
    right = np.zeros(len(alphas))
    for start in range(0, len(test), _BATCH):
        labels = test.labels[start : start + _BATCH]
        tensors = reference.run(model.graph, test.images[start : start + _BATCH])
        local = rule.local_logits_q8(tensors["logits"], scale, kind.zero_point)
        answered = np.asarray(remote(model.levels_at(0)[tensors["indices"]]))
        sent = rule.remote_logits_q8(answered)
        for index, alpha in enumerate(alphas):
            scores = rule.combine(local, sent, rule.alpha_q15(alpha))
            right[index] += (rule.answer(scores) == labels).sum()
    return [float(count) / len(test) for count in right]
