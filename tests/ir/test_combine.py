"""The combination rule against hand-computed scores."""

import numpy as np
import pytest

from agilenn_cc.ir.combine import (
    alpha_q15,
    answer,
    combine,
    local_logits_q8,
    local_scale_q24,
    remote_logits_q8,
)


def test_alpha_covers_its_whole_range():
    assert [alpha_q15(a) for a in (0.0, 0.25, 1.0)] == [0, 8192, 32768]
    with pytest.raises(ValueError, match="alpha"):
        alpha_q15(1.01)


def test_local_logits_are_in_units_of_a_256th():
    # (10 - 2) * 0.125 = 1.0 and (-128 - 2) * 0.125 = -16.25.
    result = local_logits_q8(np.array([10, -128], dtype=np.int8), local_scale_q24(0.125), 2)
    assert result.tolist() == [256, -4160]


def test_logits_saturate_instead_of_wrapping():
    result = local_logits_q8(np.array([127, -128], dtype=np.int8), local_scale_q24(2.0), 0)
    assert result.tolist() == [32767, -32768]
    assert remote_logits_q8(np.array([1000.0, -1000.0, 0.5])).tolist() == [32767, -32768, 128]


def test_extreme_scores_fit_32_bits():
    worst = np.array([-32768], dtype=np.int16)
    assert combine(worst, worst, 16384).tolist() == [-(2**30)]


def test_first_of_equal_scores_answers():
    local = np.array([[0, 256, 256]], dtype=np.int16)
    remote = np.array([[512, 256, 256]], dtype=np.int16)
    scores = combine(local, remote, 16384)
    assert scores.tolist() == [[16384 * 512, 32768 * 256, 32768 * 256]]
    assert answer(scores).tolist() == [0]
    assert answer(combine(local, remote, 32768)).tolist() == [1]
