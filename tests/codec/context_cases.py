"""Random tables and symbols for the `context` codec, shared by its tests."""

import numpy as np
from hypothesis import strategies as st

from agilenn_cc.serve.context_model import LEAST_FREQUENCY, TOTAL, ContextModel

GEOMETRIES = [
    (8, 3, 8, 5),
    (2, 1, 4, 1),
    (2, 2, 4, 1),
    (5, 1, 7, 3),
    (8, 5, 3, 2),
    (16, 2, 1, 4),
    (255, 2, 14, 2),
]
"""(levels, rows, columns, channels)."""

DISTRIBUTIONS = 4


def random_tails(random, events, sharpness):
    """Four distributions; the sharper, the more of their mass lies on one event."""
    weights = random.exponential(size=(DISTRIBUTIONS, events)) ** sharpness
    spare = TOTAL - events * LEAST_FREQUENCY
    frequencies = LEAST_FREQUENCY + np.floor(
        weights / weights.sum(axis=1, keepdims=True) * spare
    ).astype(int)
    frequencies[:, 0] += TOTAL - frequencies.sum(axis=1)
    return (TOTAL - np.cumsum(frequencies, axis=1)).astype(np.uint16)


def random_model(random, levels, rows, columns, channels, sharpness=3):
    """Tables that no training would find."""

    def entries(*shape):
        return random.integers(0, DISTRIBUTIONS, shape).astype(np.uint8)

    return ContextModel(
        rows=rows,
        columns=columns,
        channels=channels,
        symbols=np.stack([random.permutation(levels) for _ in range(channels)]).astype(np.uint8),
        pattern_map=entries(channels, 3, 3, 32),
        rank_map=entries(channels, 9),
        pattern_tails=random_tails(random, 16, sharpness),
        rank_tails=random_tails(random, levels - 1, sharpness),
    )


def random_symbols(random, model, share):
    """One inference, uint8 [n]; `share` of the symbols differ from their channel's modal level."""
    shape = (model.rows, model.channels, model.columns)
    modal = np.broadcast_to(model.symbols[:, 0][None, :, None], shape)
    noise = random.integers(0, model.levels, shape)
    return np.where(random.random(shape) < share, noise, modal).astype(np.uint8).reshape(-1)


@st.composite
def cases(draw):
    """A model and the symbols of one inference."""
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    geometry = draw(st.sampled_from(GEOMETRIES))
    model = random_model(random, *geometry, sharpness=draw(st.sampled_from([0, 1, 3, 9])))
    return model, random_symbols(random, model, draw(st.sampled_from([0, 0.05, 0.3, 1])))
