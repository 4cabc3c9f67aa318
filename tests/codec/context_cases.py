"""Random tables and symbols for the `context` codec, shared by its tests."""

import numpy as np
from hypothesis import strategies as st

from agilenn_cc.serve.context_model import (
    CLASSES,
    LEAST_FREQUENCY,
    LEAST_SYMBOL_FREQUENCY,
    SYMBOL_TOTAL,
    TOTAL,
    ContextModel,
)

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


def random_frequencies(random, events, sharpness, total=TOTAL, least=LEAST_FREQUENCY):
    """Four distributions; the sharper, the more of their mass lies on one event."""
    weights = random.exponential(size=(DISTRIBUTIONS, events)) ** sharpness
    spare = total - events * least
    frequencies = least + np.floor(weights / weights.sum(axis=1, keepdims=True) * spare).astype(int)
    frequencies[:, 0] += total - frequencies.sum(axis=1)
    return frequencies


def starts_of_others(frequencies):
    """Event 0 comes behind all others."""
    return (np.cumsum(frequencies, axis=1) - frequencies[:, :1]).astype(np.uint16)


def starts(frequencies):
    return (np.cumsum(frequencies, axis=1) - frequencies).astype(np.uint16)


def random_classes(random, symbols):
    """Ranks where there are few; else any class above 0 for all but the modal level."""
    channels, levels = symbols.shape
    if levels <= CLASSES:
        return np.argsort(symbols, axis=1).astype(np.uint8)
    classes = random.integers(1, CLASSES, (channels, levels)).astype(np.uint8)
    classes[np.arange(channels), symbols[:, 0]] = 0
    return classes


def random_model(random, levels, rows, columns, channels, sharpness=3):
    """Tables that no training would find; about half of the channels have patterns."""

    def entries(*shape):
        return random.integers(0, DISTRIBUTIONS, shape).astype(np.uint8)

    symbols = np.stack([random.permutation(levels) for _ in range(channels)]).astype(np.uint8)
    of_symbols = random_frequencies(random, levels, sharpness, SYMBOL_TOTAL, LEAST_SYMBOL_FREQUENCY)
    return ContextModel(
        rows=rows,
        columns=columns,
        channels=channels,
        symbols=symbols,
        classes=random_classes(random, symbols),
        by_symbol=random.random(channels) < 0.5,
        pattern_map=entries(channels, 3, 3, 32),
        symbol_map=entries(channels, 64),
        pattern_starts=starts_of_others(random_frequencies(random, 16, sharpness)),
        symbol_starts=starts(of_symbols),
        rank_starts=starts_of_others(random_frequencies(random, levels - 1, sharpness)),
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
