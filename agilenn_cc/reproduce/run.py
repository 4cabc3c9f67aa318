"""Runs an experiment and writes what it found: picture, table, and how it was done."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agilenn_cc.builds import BUILD_ROOT
from agilenn_cc.cache import Cache, default_root
from agilenn_cc.emit.writer import require_writable, write_tree
from agilenn_cc.errors import AgilennError, ExitCode
from agilenn_cc.pipeline.events import Listener
from agilenn_cc.pipeline.grid import parse_axes
from agilenn_cc.report import drawing
from agilenn_cc.reproduce.figures import EXPERIMENTS
from agilenn_cc.reproduce.lab import Experiment, Finding, Lab
from agilenn_cc.reproduce.paper import source_of, statements
from agilenn_cc.spec import load_spec
from agilenn_cc.spec.model import KNOWN_IMAGES
from agilenn_cc.targets import load_target

_DATA = Path(__file__).parent / "data"
QUICK_LIMITS = ("dataset.limit.train=10000", "dataset.limit.test=2000")
"""How much of a large data set the profile `quick` uses, unless the user says otherwise."""


@dataclass(frozen=True)
class ReproduceRequest:
    """What the user asked for; exactly one of `dataset` and `spec` is given.

    `profile` None is `quick` for a data set, and as it says for a spec; `over` are axes
    (`KEY=V1,V2`) that the figure `rate` varies.
    """

    figure: str
    dataset: str | None = None
    spec: Path | None = None
    profile: str | None = None
    overrides: tuple[str, ...] = ()
    seeds: tuple[int, ...] = (0,)
    over: tuple[str, ...] = ()
    target: str = "stm32f746"
    output: Path | None = None
    cache_root: Path | None = None


@dataclass(frozen=True)
class Reproduction:
    """An experiment's result and the folder it was written to."""

    directory: Path
    experiment: Experiment
    finding: Finding
    scale: dict[str, Any]

    def to_json(self) -> dict[str, Any]:
        """Return what table.json holds and `reproduce --json` prints."""
        paper = statements().get(self.experiment.figure)
        return {
            "figure": self.experiment.figure,
            "title": self.experiment.title,
            "compares": self.experiment.compares,
            "departs": self.experiment.departs,
            "scale": self.scale,
            "rows": self.finding.table.to_json(),
            "remarks": list(self.finding.remarks),
            "paper": None
            if paper is None
            else {**vars(paper), "source": source_of(self.experiment.figure)},
        }

    def markdown(self) -> str:
        """Return the table with what it means, as table.md holds it."""
        told = self.experiment
        paper = statements().get(told.figure)
        head = f"Figure {told.figure}: {told.title}" if paper else told.title
        scale = ", ".join(f"{key.replace('_', ' ')} {_plain(v)}" for key, v in self.scale.items())
        lines = [f"# {head}", "", f"Compared: {told.compares}.", f"Scale: {scale}."]
        if paper:
            lines.append(f"The paper ({paper.dataset}, section {paper.section}): {paper.says}.")
        if told.departs:
            lines.append(f"Otherwise than in the paper: {told.departs}.")
        lines += ["", self.finding.table.markdown()]
        lines += [f"- {remark}" for remark in self.finding.remarks]
        if paper:
            lines += ["", f"Paper: {source_of(told.figure)}."]
        return "\n".join(lines).rstrip() + "\n"


def _plain(value: Any) -> str:
    return " ".join(map(str, value)) if isinstance(value, list) else str(value)


def reproduce(request: ReproduceRequest, notify: Listener) -> Reproduction:
    """Run the experiment of a figure and write figure.svg, figure.png, table.md, table.json.

    Raises:
        AgilennError: exit codes 2 (no such figure), 3 (spec, data), 4 (a board that the emulator
            does not know), 7 (unwritable folder).
    """
    experiment = _experiment(request.figure)
    path, overrides = _spec(request)
    name = request.dataset or load_spec(path, overrides).name
    directory = request.output or BUILD_ROOT / "reproduce" / f"{request.figure}-{name}"
    require_writable(directory)
    lab = Lab(
        path,
        overrides,
        request.seeds,
        load_target(request.target) if experiment.uses_device else None,
        Cache(request.cache_root or default_root()),
        notify,
        parse_axes(request.over) if request.over else (),
    )
    if lab.target is not None and not lab.target.mcu.emulated:
        raise AgilennError.of(
            ExitCode.UNSUPPORTED,
            "reproduce.target",
            f"figure {request.figure} counts instructions, and the emulator does not know "
            f"{lab.target.name}",
            hint="leave --target out",
        )
    finding = experiment.run(lab)
    done = Reproduction(directory, experiment, finding, lab.scale())
    files = {
        "figure.svg": drawing.svg(finding.figure).encode(),
        "figure.png": drawing.png(finding.figure),
        "table.md": done.markdown().encode(),
        "table.json": (json.dumps(done.to_json(), indent=1) + "\n").encode(),
    }
    write_tree(files, directory, keep=())
    return done


def _experiment(figure: str) -> Experiment:
    if figure in EXPERIMENTS:
        return EXPERIMENTS[figure]
    raise AgilennError.of(
        ExitCode.USAGE,
        "reproduce.figure",
        f"there is no experiment for figure {figure}",
        hint=f"known: {', '.join(EXPERIMENTS)}",
    )


def _spec(request: ReproduceRequest) -> tuple[Path, tuple[str, ...]]:
    """Return the spec file and its overrides, the user's last."""
    if request.spec is not None:
        asked = (f"training.profile={request.profile}",) if request.profile else ()
        return request.spec, (*asked, *request.overrides)
    name, profile = request.dataset or "", request.profile or "quick"
    small = KNOWN_IMAGES.get(name, (32, 32, 3))[0] < 32
    limits = () if small or profile != "quick" else QUICK_LIMITS
    chosen = (
        f"dataset.name={name}",
        f"training.profile={profile}",
        *limits,
        *request.overrides,
    )
    return _DATA / ("digits.yaml" if small else "images.yaml"), chosen
