"""`rate`: our own figure, accuracy against bytes, beside JPEG, PNG and raw pixels under LZW."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import product
from statistics import fmean
from typing import Any

from agilenn_cc.report.drawing import COLOURS, MARKERS, by_bytes, canvas
from agilenn_cc.reproduce.baselines import ImagePoint, jpeg_points, lossless_points
from agilenn_cc.reproduce.frontier import RatePair, bytes_at, frontier
from agilenn_cc.reproduce.lab import Experiment, Finding, Lab, Outcome, Variant
from agilenn_cc.reproduce.tables import Cell, Measured, Table, percent

CODECS = ("context", "lzw")
_JPEGS = ("JPEG, native", "JPEG, half size")


def variants(lab: Lab) -> tuple[Variant, ...]:
    """Return every combination of the values that the user varies keys over; or the spec alone."""
    keys = [axis.key for axis in lab.over]
    found = []
    for values in product(*(axis.values for axis in lab.over)):
        pairs = tuple(zip(keys, values, strict=True))
        label = ", ".join(f"{key.rpartition('.')[2]} {value}" for key, value in pairs)
        found.append(Variant(label or "spec", tuple(f"{key}={value}" for key, value in pairs)))
    return tuple(found)


def run(lab: Lab) -> Finding:
    """Measure ours and the baselines, seed by seed."""
    found = lab.outcomes(variants(lab))
    baselines = [_baselines(lab, seed) for seed in lab.seeds]
    rows = [*_our_rows(found), *_baseline_rows(baselines)]
    columns = ("scheme", "setting", "accuracy %", "bytes", "bytes of whole files")
    return Finding(
        Table(columns, tuple(rows)), _draw(found, baselines), _verdict(lab, found, baselines)
    )


def _baselines(lab: Lab, seed: int) -> tuple[ImagePoint, ...]:
    native, half = (jpeg_points(lab, seed, half) for half in (False, True))
    clean = next(point for point in native if point.setting == "clean")
    coded = [point for point in (*native, *half) if point.setting != "clean"]
    return (*coded, *lossless_points(lab, seed, clean.accuracy))


def _our_rows(found: Iterable[Outcome]) -> Iterable[tuple[Cell, ...]]:
    for outcome in found:
        for index, rate in enumerate(outcome.points[0].rates):
            rates = [point.rates[index] for point in outcome.points]
            setting = f"{outcome.variant.label}, step x {rate.factor:g}"
            accuracy = percent([rate.accuracy for rate in rates])
            for codec in CODECS:
                sizes = tuple(rate.bytes_mean[codec] for rate in rates)
                yield f"ours, {codec}", setting, accuracy, Measured(sizes), None


def _baseline_rows(baselines: Sequence[Sequence[ImagePoint]]) -> Iterable[tuple[Cell, ...]]:
    for points in zip(*baselines, strict=True):
        accuracy = percent([point.accuracy for point in points])
        scans = Measured(tuple(point.scan_bytes for point in points))
        files = Measured(tuple(point.file_bytes for point in points))
        yield points[0].scheme, points[0].setting, accuracy, scans, files


def _mean_pairs(outcome: Outcome, codec: str) -> list[RatePair]:
    """Return bytes and accuracy of each of its rates, the mean over the seeds."""
    return [
        RatePair(fmean(r.bytes_mean[codec] for r in rates), fmean(r.accuracy for r in rates))
        for rates in zip(*(point.rates for point in outcome.points), strict=True)
    ]


def _jpeg_frontier(points: Iterable[ImagePoint]) -> tuple[RatePair, ...]:
    return frontier(
        RatePair(point.scan_bytes, point.accuracy) for point in points if point.scheme in _JPEGS
    )


def _verdict(
    lab: Lab, found: Sequence[Outcome], baselines: Sequence[Sequence[ImagePoint]]
) -> tuple[str, ...]:
    """Say at each of our points how JPEG's scans compare at equal accuracy, seed by seed."""
    remarks = [
        "JPEG's bytes are entropy-coded data alone, as if quantisation and Huffman tables and the "
        "size were shared; ours are coded payloads. Both are without datagram headers",
        "ratio: our bytes (context) over those at which the better of JPEG at native and at half "
        "size reaches the same accuracy; below 1 ours are fewer",
    ]
    for outcome in found:
        for index, rate in enumerate(outcome.points[0].rates):
            ratios, beyond = [], 0
            for seed, points in enumerate(baselines):
                ours = outcome.points[seed].rates[index]
                theirs = bytes_at(_jpeg_frontier(points), ours.accuracy)
                if theirs is None:
                    beyond += 1
                else:
                    ratios.append(ours.bytes_mean["context"] / theirs)
            text = f"{outcome.variant.label}, step x {rate.factor:g}: "
            if ratios:
                text += f"ratio {Measured(tuple(ratios), 2)}, fewer bytes with "
                text += f"{sum(ratio < 1 for ratio in ratios)} of {len(ratios)} seeds"
            if beyond:
                more = "; " if ratios else ""
                text += f"{more}more accurate than JPEG at any quality with {beyond} seeds"
            remarks.append(text)
    if len(lab.seeds) == 1:
        remarks.append("one seed: differences within a point of accuracy mean little")
    return tuple(remarks)


def _draw(found: Sequence[Outcome], baselines: Sequence[Sequence[ImagePoint]]) -> Any:
    with canvas(7.2, 4.4) as (figure, axes):
        axis = axes[0, 0]
        for codec, dashes in zip(CODECS, ("-", ":"), strict=True):
            for index, (label, pairs) in enumerate(_our_curves(found, codec)):
                _curve(axis, pairs, label, COLOURS[0], MARKERS[index % len(MARKERS)], dashes)
        drawn = list(_baseline_means(baselines))
        for scheme, colour, marker in zip(
            dict.fromkeys(point.scheme for point in drawn), COLOURS[1:], MARKERS[1:], strict=False
        ):
            own = [point for point in drawn if point.scheme == scheme]
            pairs = [RatePair(point.scan_bytes, point.accuracy) for point in own]
            _curve(axis, pairs, f"{scheme}{', scan' * (scheme in _JPEGS)}", colour, marker, "-")
            if scheme in _JPEGS:
                files = [RatePair(point.file_bytes, point.accuracy) for point in own]
                _curve(axis, files, f"{scheme}, files", colour, None, "--")
        by_bytes(axis)
        axis.set(ylabel="accuracy, %", title="Accuracy against bytes")
        axis.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0))
    return figure


def _our_curves(found: Sequence[Outcome], codec: str) -> list[tuple[str, list[RatePair]]]:
    """Return each variant's rates as a curve; the variants are one where each has a single rate."""
    curves = [(outcome.variant.label, _mean_pairs(outcome, codec)) for outcome in found]
    if len(curves) == 1 or all(len(pairs) == 1 for _label, pairs in curves):
        return [(f"ours, {codec}", [pair for _label, pairs in curves for pair in pairs])]
    return [(f"ours, {codec}, {label}", pairs) for label, pairs in curves]


def _baseline_means(baselines: Sequence[Sequence[ImagePoint]]) -> Iterable[ImagePoint]:
    for points in zip(*baselines, strict=True):
        yield ImagePoint(
            points[0].scheme,
            points[0].setting,
            fmean(point.accuracy for point in points),
            fmean(point.scan_bytes for point in points),
            fmean(point.file_bytes for point in points),
        )


def _curve(
    axis: Any, pairs: Iterable[RatePair], label: str, colour: str, marker: str | None, dashes: str
) -> None:
    ordered = sorted(pairs, key=lambda pair: pair.size)
    axis.plot(
        [pair.size for pair in ordered],
        [100 * pair.accuracy for pair in ordered],
        color=colour,
        marker=marker,
        linestyle=dashes,
        linewidth=1.0 if marker is None else 1.6,
        label=label,
    )


EXPERIMENT = Experiment(
    "rate",
    "Accuracy against bytes",
    "the quantised split at each of its rates, under each codec, against networks trained on what "
    "arrives of images sent as JPEG (one for all qualities at native size, one at half size; float "
    "stem and the same remote net, same epochs), on the test images",
    "",
    run,
)
