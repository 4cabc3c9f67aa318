"""Everything that trains; TensorFlow is loaded when a function needs it, not by this import."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from agilenn_cc.learn.history import History
from agilenn_cc.learn.options import STRATEGIES, TrainingOptions, worker_index
from agilenn_cc.learn.progress import (
    BatchProgress,
    Progress,
    ProgressCallback,
    Resumed,
    TimeLeft,
    headline,
)

if TYPE_CHECKING:
    from agilenn_cc.data import Dataset
    from agilenn_cc.learn.split_model import SplitModel
    from agilenn_cc.spec import Spec

WITHOUT_EFFECT = frozenset(("checkpoint", "profile", "quantisation"))
"""Keys of the spec's `training` section that leave the float split as it is.

`profile` acts through the keys that it gives values to.
"""


def train(
    spec: Spec,
    dataset: Dataset,
    work: Path,
    progress: ProgressCallback | None = None,
    options: TrainingOptions | None = None,
) -> SplitModel:
    """Train the split that `spec` describes; see `learn.trainer.train`."""
    from agilenn_cc.learn import trainer

    return trainer.train(spec, dataset, work, progress, options)


def save(split: SplitModel, directory: Path) -> None:
    """Write a split to a directory; see `learn.split_model.save`."""
    from agilenn_cc.learn import split_model

    split_model.save(split, directory)


def write_tensorboard(history: History, directory: Path) -> None:
    """Write the logs of a finished training; see `learn.tensorboard.TensorboardLog`."""
    from agilenn_cc.learn.tensorboard import TensorboardLog

    TensorboardLog(directory, history).close()


def load(directory: Path) -> SplitModel:
    """Read what `save` wrote; see `learn.split_model.load`."""
    from agilenn_cc.learn import split_model

    return split_model.load(directory)


__all__ = [
    "STRATEGIES",
    "WITHOUT_EFFECT",
    "BatchProgress",
    "History",
    "Progress",
    "ProgressCallback",
    "Resumed",
    "TimeLeft",
    "TrainingOptions",
    "headline",
    "load",
    "save",
    "train",
    "worker_index",
    "write_tensorboard",
]
