"""Trains, quantises and codes a spec at every point of a grid, and tabulates what came of it."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from agilenn_cc.cache import Cache, default_root
from agilenn_cc.emit.writer import require_writable
from agilenn_cc.errors import AgilennError, ExitCode
from agilenn_cc.learn.options import TrainingOptions
from agilenn_cc.pipeline.events import Listener, StageNote
from agilenn_cc.pipeline.grid import Axis, Settings, combine, parse_axes
from agilenn_cc.pipeline.points import run_point
from agilenn_cc.pipeline.sweep_picture import sweep_picture
from agilenn_cc.render import table
from agilenn_cc.spec import Spec, load_spec
from agilenn_cc.targets import load_target

ROOT = Path("sweep")
JSON_FILE, CSV_FILE, PICTURE_FILE = "sweep.json", "sweep.csv", "sweep.png"
_INVALID = frozenset((ExitCode.SPEC, ExitCode.UNSUPPORTED, ExitCode.BUDGET))
_SHARE, _COUNT = "{:.1%}", "{:.0f}"
_SHOWN = {
    "accuracy": ("accuracy", _SHARE),
    "accuracy_local": ("local", _SHARE),
    "skewness": ("skewness", _SHARE),
    "disorder": ("disorder", _SHARE),
    "accuracy_reference_on_features": ("reference", _SHARE),
    "bytes_lzw": ("B lzw", _COUNT),
    "bytes_context": ("B context", _COUNT),
    "flash": ("flash", _COUNT),
    "ram": ("ram", _COUNT),
    "instructions": ("instructions", _COUNT),
}
"""Figures of the printed table: heading and format; the files hold all."""


@dataclass(frozen=True)
class SweepRequest:
    """What the user asked for; `output` None means sweep/NAME."""

    spec: Path
    over: tuple[str, ...]
    zipped: bool = False
    overrides: tuple[str, ...] = ()
    output: Path | None = None
    target: str | None = None
    training: TrainingOptions = field(default_factory=TrainingOptions)
    cache_root: Path | None = None


@dataclass(frozen=True)
class SweptPoint:
    """A point of the grid: its figures by name, or why there are none."""

    settings: Settings
    figures: Mapping[str, Any] = field(default_factory=dict)
    error: str | None = None


@dataclass(frozen=True)
class Sweep:
    """A sweep as far as it went, and where its files lie."""

    name: str
    axes: tuple[Axis, ...]
    zipped: bool
    target: str | None
    points: tuple[SweptPoint, ...]
    directory: Path

    def to_json(self) -> dict[str, Any]:
        """Return what sweep.json holds and `sweep --json` prints."""
        return {
            "spec": self.name,
            "over": {axis.key: list(axis.values) for axis in self.axes},
            "zip": self.zipped,
            "target": self.target,
            "points": [
                {"settings": dict(p.settings), "error": p.error, **p.figures} for p in self.points
            ],
        }

    def to_csv(self) -> str:
        """Return a table of all figures; an invalid point has its reason in the column `error`."""
        figures = list(dict.fromkeys(name for point in self.points for name in point.figures))
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow([*(axis.key for axis in self.axes), *figures, "error"])
        for point in self.points:
            values = [point.figures.get(name, "") for name in figures]
            settings = [value for _key, value in point.settings]
            writer.writerow([*settings, *values, point.error or ""])
        return text.getvalue()

    def to_text(self) -> str:
        """Return the table that a person reads."""
        shown = [name for name in _SHOWN if any(name in point.figures for point in self.points)]
        head = [*(axis.key for axis in self.axes), *(_SHOWN[name][0] for name in shown)]
        rows = [
            [
                *(value for _key, value in point.settings),
                *(
                    _SHOWN[name][1].format(point.figures[name]) if name in point.figures else "-"
                    for name in shown
                ),
            ]
            for point in self.points
        ]
        invalid = [f"{_say(p.settings)}: {p.error}" for p in self.points if p.error is not None]
        files = f"{self.directory}: {JSON_FILE}, {CSV_FILE}, {PICTURE_FILE}"
        return "\n".join([table(head, rows, len(self.axes)), *invalid, files])


def run_sweep(request: SweepRequest, notify: Listener) -> Sweep:
    """Run all points of a sweep; those whose results are cached take no time.

    The tables are written after every point, so an interrupted sweep leaves what it had.

    Raises:
        AgilennError: exit code 2 for axes that cannot be read; that of the first point where no
            point is valid; 7 (external tool, unwritable folder).
    """
    axes = parse_axes(request.over)
    target = None if request.target is None else load_target(request.target)
    loaded = [(s, _load(request, s)) for s in combine(axes, request.zipped)]
    valid = [spec for _settings, spec in loaded if isinstance(spec, Spec)]
    errors = [spec for _settings, spec in loaded if isinstance(spec, AgilennError)]
    if not valid:
        raise errors[0]
    directory = request.output or ROOT / valid[0].name
    require_writable(directory)
    cache = Cache(request.cache_root or default_root())
    board = target.name if target else None
    swept = Sweep(valid[0].name, axes, request.zipped, board, (), directory)
    for number, (settings, spec) in enumerate(loaded, start=1):
        notify(StageNote("sweep", f"point {number} of {len(loaded)}: {_say(settings)}"))
        try:
            if isinstance(spec, AgilennError):
                raise spec
            point = run_point(spec, cache, notify, target=target, options=request.training)
            found = SweptPoint(settings, point.row())
        except AgilennError as error:
            if error.exit_code not in _INVALID:
                raise
            errors.append(error)
            found = SweptPoint(settings, error=_reason(error))
            notify(StageNote("sweep", f"left out: {found.error}"))
        swept = replace(swept, points=(*swept.points, found))
        _write(swept)
    drawn = [(p.settings, p.figures) for p in swept.points if p.error is None]
    if not drawn:
        raise errors[0]
    (directory / PICTURE_FILE).write_bytes(sweep_picture(axes, drawn, request.zipped))
    return swept


def _load(request: SweepRequest, settings: Settings) -> Spec | AgilennError:
    """Return the spec of a point, or what is wrong with it."""
    own = tuple(f"{key}={value}" for key, value in settings)
    try:
        spec = load_spec(request.spec, (*request.overrides, *own))
    except AgilennError as error:
        return error
    if spec.network.tflite is None:
        return spec
    return AgilennError.of(
        ExitCode.SPEC,
        "sweep.on-device",
        f"{request.spec} trains nothing: its network is a .tflite file",
        hint="name a spec with `network.extractor`",
    )


def _write(swept: Sweep) -> None:
    swept.directory.mkdir(parents=True, exist_ok=True)
    text = json.dumps(swept.to_json(), indent=2) + "\n"
    (swept.directory / JSON_FILE).write_text(text, encoding="utf-8")
    (swept.directory / CSV_FILE).write_text(swept.to_csv(), encoding="utf-8")


def _say(settings: Sequence[tuple[str, str]]) -> str:
    return ", ".join(f"{key} {value}" for key, value in settings)


def _reason(error: AgilennError) -> str:
    return "; ".join(diagnostic.message for diagnostic in error.diagnostics)
