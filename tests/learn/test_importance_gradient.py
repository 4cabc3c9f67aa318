"""`training.importance_gradient` and the adapter that begins at the top channels."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest

from agilenn_cc.learn import principal_components
from agilenn_cc.learn.attribution import make_attribution
from agilenn_cc.learn.backend import tf
from agilenn_cc.learn.images import normalise
from agilenn_cc.learn.joint import JointStep, build_split, joint_variables
from agilenn_cc.learn.judge import Judge
from agilenn_cc.learn.optimisers import make_optimiser
from agilenn_cc.learn.reference import build_reference
from agilenn_cc.spec import Spec

MakeSpec = Callable[..., Spec]

BLOCKS = """
name: blocks
dataset: {name: digits}
network:
  extractor: |
    conv 8 4x4 /4
  local: |
    gap
    dense classes
  remote: |
    conv 8 3x3 relu6
    gap
    dense classes
split: {top: 2, skewness: 0.9}
training: {lambda: 1e-6, local_loss: 0, rate_loss: 0, weight_decay: 0}
"""


def moved_filters(spec: Spec) -> npt.NDArray[np.float32]:
    """Return how far a step that follows importance alone moves each filter of the extractor."""
    networks, reference = build_split(spec, 3), build_reference(spec, 3)
    judge = Judge(spec, reference, make_attribution("gradient-saliency", 1))
    judge.refresh(0)
    variables = joint_variables(networks, reference, spec.training.adapter)
    step = JointStep(
        spec, networks, reference, judge, make_optimiser("sgd", 0.1, 0.0, 10, variables)
    )
    random = np.random.default_rng(0)
    images = tf.constant(normalise(random.integers(0, 256, (32, 8, 8, 1)).astype(np.uint8)))
    labels = tf.constant(random.integers(0, 3, 32))
    before = networks.extractor.get_weights()[0]
    for _ in range(2):  # the schedule's first step has the rate 0
        step.run(images, labels, tf.constant(1.0), tf.constant(1.0), False)
    moved = np.abs(networks.extractor.get_weights()[0] - before)
    found: npt.NDArray[np.float32] = moved.max(axis=(0, 1, 2))
    return found


def test_importance_leaves_sent_filters_alone_unless_asked(make_spec: MakeSpec) -> None:
    top = moved_filters(make_spec("training.importance_gradient=top", text=BLOCKS))
    everywhere = moved_filters(make_spec("training.importance_gradient=all", text=BLOCKS))
    assert top[:2].min() > 1e-5
    assert everywhere[:2].min() > 1e-5
    assert top[2:].max() < 1e-2 * everywhere[2:].min()


@pytest.mark.parametrize("top", [2, 4])
def test_the_reference_reads_from_the_top_channels_what_it_read_from_components(
    make_spec: MakeSpec, top: int
) -> None:
    spec = make_spec("network.init=pca", f"split.top={top}", text=BLOCKS)
    extractor, adapter = build_split(spec, 3).extractor, build_reference(spec, 3).adapter
    images = np.random.default_rng(0).integers(0, 256, (64, 8, 8, 1)).astype(np.uint8)
    principal_components.initialise(extractor, spec, normalise(images))
    features = extractor(normalise(images), training=False).numpy()
    components = np.concatenate([features[..., top : 2 * top], features[..., top:]], axis=-1)
    before = adapter(components).numpy()
    principal_components.route_through_top(adapter, spec)
    np.testing.assert_allclose(adapter(features).numpy(), before, atol=1e-5)
    assert not adapter.get_weights()[0][0, 0, top : 2 * top].any()


def test_top_channels_share_the_first_component() -> None:
    turn = principal_components.mixture(5)
    np.testing.assert_allclose(turn @ turn.T, np.eye(5), atol=1e-12)
    np.testing.assert_allclose(turn[0], 1 / np.sqrt(5))
