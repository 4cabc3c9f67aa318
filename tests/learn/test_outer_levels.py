"""Refitting the outer levels: hand-computed means, what stays, and who decides."""

from __future__ import annotations

import numpy as np

from agilenn_cc.learn.outer_levels import better_levels, refit_outer_levels

LEVELS = np.array([-2.0, -1.0, -0.5, 0.0, 0.5, 1.0, 2.0], np.float32)


def test_outer_levels_go_to_the_means_of_their_cells() -> None:
    # 10 and 14 are nearest to the last level in every round, 1.2 to the one before, -9 to the
    # first; nothing is near the second.
    values = np.array([-9.0, -0.45, 0.1, 0.6, 1.2, 10.0, 14.0])
    found = refit_outer_levels(LEVELS, values, zero=3)
    np.testing.assert_allclose(found, [-9.0, -1.0, -0.5, 0.0, 0.5, 1.2, 12.0], rtol=1e-6)


def test_lloyd_never_raises_the_squared_error() -> None:
    random = np.random.default_rng(3)
    for _ in range(20):
        values = random.laplace(scale=3.0, size=400)
        levels = np.sort(np.append(random.normal(size=8), 0.0)).astype(np.float32)
        zero = int(np.flatnonzero(levels == 0.0)[0])

        def error(codebook: np.ndarray, values: np.ndarray = values) -> float:
            return float(np.square(values[:, None] - codebook).min(axis=1).mean())

        refitted = refit_outer_levels(levels, values, zero)
        assert error(refitted) <= error(levels) + 1e-6
        assert refitted[zero] == 0.0
        assert (np.diff(refitted) >= 0).all()


def test_rectified_features_have_one_outer_end() -> None:
    levels = np.array([0.0, 1.0, 2.0, 3.0], np.float32)
    found = refit_outer_levels(levels, np.array([0.4, 1.0, 8.0]), zero=0)
    np.testing.assert_allclose(found, [0.0, 1.0, 2.0, 8.0])


def test_two_levels_keep_their_zero() -> None:
    found = refit_outer_levels(np.array([0.0, 1.0], np.float32), np.array([0.2, 5.0]), zero=0)
    np.testing.assert_allclose(found, [0.0, 5.0])


def test_worse_levels_are_not_taken() -> None:
    wide = LEVELS * 2
    assert better_levels(LEVELS, wide, lambda levels: -float(levels[-1])) is LEVELS
    assert better_levels(LEVELS, wide, lambda levels: 0.0) is wide
