"""Logs for TensorBoard: one run a stage, one step an epoch."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from agilenn_cc.errors import AgilennError, ExitCode
from agilenn_cc.learn.backend import Tensor, tf
from agilenn_cc.learn.history import EpochRecord, History

SUFFIX = ".agilenn"
"""End of the names of our event files; those of an earlier run in the same folder are replaced."""

BUCKETS = 30


class TensorboardLog:
    """Writes what each epoch measured below `directory`, in a folder a stage.

    The entries are those of TensorBoard's scalar and histogram plugins, written with TensorFlow's
    own event writer, so the package `tensorboard` is needed for looking only. Logs hold wall times
    and differ between runs; the training does not know of them.
    """

    def __init__(self, directory: Path, history: History = ()) -> None:
        """Begin new logs in `directory`, with all of a `history` so far.

        Raises `AgilennError` (exit 7) where the folder cannot be written.
        """
        self._directory = directory
        self._writers: dict[str, Tensor] = {}
        try:
            for old in directory.glob(f"*/events.*{SUFFIX}"):
                old.unlink()
            directory.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise _unwritable(directory, error.strerror or str(error)) from error
        for record in history:
            self.add(record)

    def add(self, record: EpochRecord) -> None:
        """Write one epoch and flush it."""
        try:
            with self._writer(record.stage).as_default(step=record.epoch):
                for name, value in record.metrics.items():
                    _write(name, np.float32(value), "scalars")
                if record.learning_rate is not None:
                    _write("learning_rate", np.float32(record.learning_rate), "scalars")
                if record.importance:
                    _write("channel_importance", histogram(record.importance), "histograms")
            self._writers[record.stage].flush()
        except (tf.errors.OpError, OSError) as error:
            raise _unwritable(self._directory, str(error)) from error

    def close(self) -> None:
        """Close all files."""
        for writer in self._writers.values():
            writer.close()

    def _writer(self, stage: str) -> Tensor:
        if stage not in self._writers:
            self._writers[stage] = tf.summary.create_file_writer(
                str(self._directory / stage), filename_suffix=SUFFIX
            )
        return self._writers[stage]


def histogram(values: tuple[float, ...]) -> npt.NDArray[np.float64]:
    """Return the histogram plugin's table [BUCKETS, 3]: left edge, right edge, count."""
    counts, edges = np.histogram(np.asarray(values, dtype=np.float64), bins=BUCKETS)
    return np.stack([edges[:-1], edges[1:], counts.astype(np.float64)], axis=1)


def _write(tag: str, value: npt.NDArray[np.generic] | np.float32, plugin: str) -> None:
    metadata = tf.compat.v1.SummaryMetadata()
    metadata.plugin_data.plugin_name = plugin
    tf.summary.write(tag, value, metadata=metadata)


def _unwritable(directory: Path, reason: str) -> AgilennError:
    return AgilennError.of(
        ExitCode.EXTERNAL,
        "training.tensorboard",
        f"the TensorBoard logs cannot be written to {directory}: {reason}",
        hint="name a folder that you may write, or leave --tensorboard out",
    )
