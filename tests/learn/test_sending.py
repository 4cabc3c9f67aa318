"""Sending in training: steps drawn at random, lost symbols, everything off as before."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from agilenn_cc.learn.backend import tf
from agilenn_cc.learn.quantiser import hard_quantise, quantise
from agilenn_cc.learn.sending import CHANNEL_LOSS, LONGEST_RUN, Sending, lost_symbols, new_counts
from agilenn_cc.spec import Spec

LEVELS = np.array([0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 5.0], dtype=np.float32)
SIGMA, HARD, SOFT = tf.constant(4.0), tf.constant(1.0), tf.constant(0.0)


def sending(spec: Spec) -> tuple[Sending, tf.Variable]:
    counts = new_counts(spec)
    return Sending(spec, tf.Variable(LEVELS), counts), counts


def features(images: int = 64) -> tf.Tensor:
    random = np.random.default_rng(0)
    return tf.constant(random.gamma(0.5, 1.0, (images, 4, 4, 6)).astype(np.float32))


def test_off_is_the_quantiser_alone(make_spec: Callable[..., Spec]) -> None:
    send, counts = sending(make_spec())
    found = send(features(), SIGMA, SOFT, tf.constant(3))
    np.testing.assert_array_equal(found.values, hard_quantise(features(), LEVELS))
    assert found.bits is None
    assert not counts.numpy().any()


def test_off_is_the_soft_to_hard_quantiser_alone(make_spec: Callable[..., Spec]) -> None:
    send, counts = sending(make_spec("training.quantiser=soft-to-hard"))
    for hard in (SOFT, HARD):
        found = send(features(), SIGMA, hard, tf.constant(3))
        np.testing.assert_array_equal(found.values, quantise(features(), LEVELS, SIGMA, hard))
        assert found.bits is None
    assert not counts.numpy().any()


def test_rate_loss_changes_nothing_that_is_sent(make_spec: Callable[..., Spec]) -> None:
    send, counts = sending(make_spec("training.rate_loss=0.1"))
    found = send(features(), SIGMA, HARD, tf.constant(3))
    np.testing.assert_array_equal(found.values, hard_quantise(features(), LEVELS))
    assert counts.numpy().sum() == 64 * 4 * 4 * 6
    assert 0.5 < float(found.bits) < 3.0
    # The same batch once more: its tables know it better, and remember as they should.
    again = send(features(), SIGMA, HARD, tf.constant(4))
    assert float(again.bits) <= float(found.bits)
    np.testing.assert_allclose(counts.numpy().sum(), 1.98 * 64 * 96, rtol=1e-5)


def test_each_image_has_one_of_the_steps(make_spec: Callable[..., Spec]) -> None:
    factors = (1.0, 1.5, 2.0)
    send, _ = sending(make_spec("payload.rates=[1, 1.5, 2]"))
    values = send(features(), SIGMA, HARD, tf.constant(7)).values.numpy()
    candidates = [
        np.float32(factor) * hard_quantise(features() / np.float32(factor), LEVELS).numpy()
        for factor in factors
    ]
    matches = np.array([(values == other).all(axis=(1, 2, 3)) for other in candidates])
    assert (matches.sum(axis=0) == 1).all()
    assert (matches.sum(axis=1) > 10).all()
    # Levels of a rate are the levels times its factor.
    second = values[matches[1]]
    assert np.isin(second, LEVELS * np.float32(1.5)).all()


def test_a_step_is_drawn_by_number_and_seed(make_spec: Callable[..., Spec]) -> None:
    overrides = ("payload.rates=[1, 2]", "training.channel_dropout=0.5")

    def values(step: int, *more: str) -> np.ndarray:
        send, _ = sending(make_spec(*overrides, *more))
        return np.asarray(send(features(), SIGMA, HARD, tf.constant(step)).values)

    np.testing.assert_array_equal(values(5), values(5))
    assert (values(5) != values(6)).any()
    assert (values(5) != values(5, "seed=4")).any()


def test_lost_symbols_are_runs_in_the_codecs_order_or_channels() -> None:
    shape = (400, 5, 4, 6)
    lost = lost_symbols(tf.constant(shape), 0.5, tf.constant([1, 2])).numpy()
    hit = lost[lost.any(axis=(1, 2, 3))]
    assert 0.4 < len(hit) / 400 < 0.55
    channels = hit.any(axis=(1, 2)) == hit.all(axis=(1, 2))
    whole = channels.all(axis=1)
    assert 0.35 < whole.mean() < 0.65
    assert abs(hit[whole].mean() - CHANNEL_LOSS) < 0.08
    for image in hit[~whole]:
        # The wire's order: row, channel, column. A run begins once and ends once.
        order = image.transpose(0, 2, 1).ravel().astype(int)
        assert np.count_nonzero(np.diff(np.pad(order, 1))) == 2
        assert order.sum() <= LONGEST_RUN * order.size + 1
    parts = hit[~whole].mean(axis=(0, 2, 3))
    assert parts.max() < 1.6 * parts.min(), "border rows go as often as others"


def test_a_lost_symbol_becomes_the_modal_level_of_its_channel(
    make_spec: Callable[..., Spec],
) -> None:
    send, _ = sending(make_spec("training.channel_dropout=0.99"))
    indices = np.full((64, 4, 4, 6), 2)
    indices[..., 3] = 6
    rare = np.random.default_rng(2).random(indices.shape) < 0.2
    values = tf.constant(LEVELS[np.where(rare, 1, indices)])
    found = send(values, SIGMA, HARD, tf.constant(1)).values.numpy()
    changed = found != values.numpy()
    assert changed.any()
    np.testing.assert_array_equal(found[changed], LEVELS[indices][changed])


def test_lost_symbols_teach_the_extractor_nothing(make_spec: Callable[..., Spec]) -> None:
    send, _ = sending(make_spec("training.channel_dropout=0.99", "training.quantiser=soft-to-hard"))
    values = tf.Variable(features())
    with tf.GradientTape() as tape:
        found = send(values, SIGMA, SOFT, tf.constant(1)).values
        total = tf.reduce_sum(found)
    gradient = tape.gradient(total, values).numpy()
    kept = quantise(values, LEVELS, SIGMA, SOFT).numpy() == found.numpy()
    assert (gradient[~kept] == 0).all()
    assert (gradient[kept] != 0).mean() > 0.9
