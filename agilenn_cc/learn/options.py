"""How a training is run, beside what the spec says: nothing here changes its definition."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

from agilenn_cc.learn.progress import BatchCallback, ResumeCallback

STRATEGIES = ("none", "mirrored", "multi-worker")


@dataclass(frozen=True)
class TrainingOptions:
    """What a user says on the command line about one run of a training.

    `resume` False forgets the checkpoints of an interrupted run first; `tensorboard` is a folder
    for its logs; `strategy` is one of STRATEGIES, ways to share the work between devices.
    `on_batch` hears of every batch, `on_resume` once, if a checkpoint was found.
    """

    resume: bool = True
    tensorboard: Path | None = None
    strategy: str = "none"
    on_batch: BatchCallback | None = None
    on_resume: ResumeCallback | None = None


def worker_index() -> int:
    """Return this process's number in the cluster that TF_CONFIG names; 0 where it names none."""
    try:
        task = json.loads(os.environ.get("TF_CONFIG") or "{}")["task"]
        return int(task["index"])
    except (ValueError, KeyError, TypeError):
        return 0
