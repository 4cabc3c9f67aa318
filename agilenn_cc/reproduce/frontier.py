"""Curves of accuracy against bytes: which one lies below which, and by how much."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import exp, log


@dataclass(frozen=True)
class RatePair:
    """One setting of a scheme: mean bytes an image and accuracy, 0 to 1."""

    size: float
    accuracy: float


def frontier(points: Iterable[RatePair]) -> tuple[RatePair, ...]:
    """Return the points that no other beats in both, by rising size and accuracy."""
    best: list[RatePair] = []
    for point in sorted(points, key=lambda point: (point.size, -point.accuracy)):
        if not best or point.accuracy > best[-1].accuracy:
            best.append(point)
    return tuple(best)


def bytes_at(curve: Sequence[RatePair], accuracy: float) -> float | None:
    """Return the bytes at which a frontier reaches an accuracy; None above its best point.

    Between its points the logarithm of the bytes is linear in the accuracy; below its smallest
    point that point's own bytes count, for nothing smaller was measured.
    """
    if not curve or accuracy > curve[-1].accuracy:
        return None
    if accuracy <= curve[0].accuracy:
        return curve[0].size
    index = next(i for i, point in enumerate(curve) if point.accuracy >= accuracy)
    low, high = curve[index - 1], curve[index]
    share = (accuracy - low.accuracy) / (high.accuracy - low.accuracy)
    return exp(log(low.size) + share * (log(high.size) - log(low.size)))
