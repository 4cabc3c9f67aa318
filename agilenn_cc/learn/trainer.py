"""`train`: runs the stages by epochs, keeps checkpoints, goes on where it was, picks the best."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from agilenn_cc.data import Dataset, Split, augment
from agilenn_cc.errors import AgilennError, ExitCode
from agilenn_cc.learn import WITHOUT_EFFECT, checkpoint, history, strategy
from agilenn_cc.learn.attribution import IntegratedGradients, make_attribution
from agilenn_cc.learn.audit import FULL_STEPS, Auditor
from agilenn_cc.learn.backend import Tensor, derive_seed, keras, make_deterministic, tf
from agilenn_cc.learn.baseline import FeatureBaseline
from agilenn_cc.learn.checkpoint import Checkpoint
from agilenn_cc.learn.history import EpochRecord, History
from agilenn_cc.learn.images import BASELINE_SAMPLES, CODE_SAMPLES, normalise, subset
from agilenn_cc.learn.importance_change import ChannelImportance, ImportanceChange
from agilenn_cc.learn.joint import joint_variables
from agilenn_cc.learn.judge import Judge
from agilenn_cc.learn.optimisers import Optimiser, make_optimiser, scaled_for_float16
from agilenn_cc.learn.options import TrainingOptions
from agilenn_cc.learn.outer_levels import refitted_levels
from agilenn_cc.learn.parts import arrays_of, build_parts, numbered
from agilenn_cc.learn.progress import (
    BatchProgress,
    Progress,
    ProgressCallback,
    Resumed,
    TrainingClock,
)
from agilenn_cc.learn.rate_figures import rate_figures
from agilenn_cc.learn.reference_files import reference_digest
from agilenn_cc.learn.remote_stage import remote_stage
from agilenn_cc.learn.split_model import SplitModel
from agilenn_cc.learn.stages import (
    FINE_TUNING_LEARNING_RATE,
    PREPROCESSING_LEARNING_RATE,
    REFERENCE_LEARNING_RATE,
    Stage,
    extractor_stage,
    feeding,
    joint_stage,
    reference_stage,
    surrogate_figures,
)
from agilenn_cc.learn.tensorboard import TensorboardLog
from agilenn_cc.spec import Spec
from agilenn_cc.spec.augmentation import format_augmentation


def training_fingerprint(spec: Spec, dataset: Dataset) -> str:
    """Return the SHA-256 of all that decides a training's outcome, hexadecimal."""
    whole = spec.canonical()
    parts = {
        key: whole[key] for key in ("seed", "reference", "network", "split", "training", "payload")
    }
    parts["training"] = {k: v for k, v in parts["training"].items() if k not in WITHOUT_EFFECT}
    parts["payload"] = {"levels": spec.payload.levels, "rates": list(spec.payload.rates)}
    parts["dataset"] = [dataset.fingerprint, list(spec.input_shape), list(dataset.classes)]
    parts["normalisation"] = spec.dataset.normalisation
    parts["augmentation"] = format_augmentation(spec.dataset.augmentations)
    parts["reference_digest"] = reference_digest(spec)
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def train(
    spec: Spec,
    dataset: Dataset,
    work: Path,
    progress: ProgressCallback | None = None,
    options: TrainingOptions | None = None,
) -> SplitModel:
    """Train the split that `spec` describes on `dataset` (images uint8 [N, H, W, C]).

    The same spec, data and seed give the same bytes. Checkpoints lie in `work`; called again after
    an interruption, the training goes on after the last whole epoch and ends with the same result.
    The workers of a cluster need a `work` each.
    The best joint epoch is chosen on the validation split; the test split is only measured.

    Raises `AgilennError`: exit 130 on Ctrl-C (the message says what is kept), exit 3 for a
    reference that cannot be used or a training that diverges, exit 7 where weights cannot be
    downloaded.
    """
    make_deterministic()
    keras.backend.clear_session()
    options = options or TrainingOptions()
    if not options.resume:
        checkpoint.remove(work)
    run = _Training(spec, dataset, work, progress or (lambda _: None), options)
    try:
        return run.result()
    except tf.errors.OpError as error:
        if options.strategy != "multi-worker":
            raise
        raise strategy.cluster_failed(error) from error
    except KeyboardInterrupt:
        raise AgilennError.of(
            ExitCode.INTERRUPTED,
            "training.interrupted",
            f"training was interrupted in stage {run.where()}; all whole epochs are kept",
            hint=f"run the same command again to go on from {work / checkpoint.FILE_NAME}",
        ) from None


class _Training:
    """The state of one training and the loop over its stages."""

    def __init__(
        self,
        spec: Spec,
        dataset: Dataset,
        work: Path,
        progress: ProgressCallback,
        options: TrainingOptions,
    ) -> None:
        self._spec, self._dataset, self._work, self._progress = spec, dataset, work, progress
        self._options = options
        self._history: History = ()
        self._log: TensorboardLog | None = None
        self._strategy = strategy.make_strategy(options.strategy)
        self._parts = build_parts(spec, dataset, self._strategy)
        self._results: dict[str, Any] = {}
        self._best: dict[str, Any] = {}
        self._best_arrays: dict[str, npt.NDArray[Any]] = {}
        self._after: ChannelImportance | None = None
        self._stage, self._epoch = "reference", 0
        self._seconds = 0.0
        self._batch = self._divisible(min(spec.training.batch, len(dataset.train.images)))
        self._batches = len(dataset.train.images) // self._batch
        with strategy.scope(self._strategy):
            self._stages = self._build_stages()
        self._clock = TrainingClock({stage.name: stage.epochs for stage in self._stages})

    def _divisible(self, batch: int) -> int:
        parts = strategy.replicas(self._strategy)
        if batch % parts:
            raise AgilennError.of(
                ExitCode.SPEC,
                "training.batch",
                f"a batch of {batch} images cannot be divided equally between {parts} devices",
                hint=f"set training.batch to a multiple of {parts}",
                where=self._spec.where("training.batch"),
            )
        return batch

    def where(self) -> str:
        """Return the stage and epoch, for messages."""
        return f"{self._stage!r} after {self._epoch} epochs"

    def result(self) -> SplitModel:
        """Run what is left of the training and return its result."""
        self._resume()
        if self._options.tensorboard is not None:
            self._log = TensorboardLog(self._options.tensorboard, self._history)
        names = [stage.name for stage in self._stages]
        for position in range(names.index(self._stage), len(names)):
            self._run_stage(self._stages[position])
            if position + 1 < len(names):
                self._stage, self._epoch = names[position + 1], 0
                self._checkpoint(None)
        if self._log is not None:
            self._log.close()
        self._take_best()
        figures, change = self._measure_test(), self._importance_change()
        return self._parts.freeze(figures, self._history, change)

    def _end_joint(self) -> dict[str, Any]:
        """Take the best joint epoch and refit its levels: what the device has is decided."""
        found = {"epochs": self._epoch, "best_epoch": self._best.get("epoch", self._epoch)}
        self._take_best()
        parts = self._parts
        if self._spec.training.quantiser == "straight-through":
            levels = refitted_levels(parts.freeze(), parts.rectified, self._dataset)
            parts.networks.levels.assign(levels)
        return found

    def _take_best(self) -> None:
        if self._best_arrays:
            self._parts.assign(self._best_arrays)
        self._best, self._best_arrays = {}, {}

    def _build_stages(self) -> tuple[Stage, ...]:
        spec, data, parts = self._spec, self._dataset, self._parts
        networks, reference, training = parts.networks, parts.reference, spec.training
        images, _labels = subset(data.train, BASELINE_SAMPLES)
        judged = parts.measured_extractor
        baseline = FeatureBaseline(training.baseline, judged, images)
        full = IntegratedGradients(max(FULL_STEPS, training.steps), baseline.value)
        own = make_attribution(training.attribution, training.steps, baseline.value)
        self._auditor = Auditor(judged, reference, full, baseline)
        self._surrogate = Auditor(judged, reference, own, baseline)
        trained = (networks.extractor, networks.local, networks.remote, reference.full)
        strategy.synchronise_batch_norm(trained, self._strategy)
        prepare = max(1, training.reference_epochs // 2)
        return (
            reference_stage(parts, self._reference_optimiser(), data),
            extractor_stage(
                parts,
                self._optimiser("adamw", PREPROCESSING_LEARNING_RATE, prepare, feeding(parts)),
                self._auditor,
                data,
                prepare,
            ),
            joint_stage(
                parts,
                Judge(spec, reference, own, baseline),
                self._optimiser(
                    training.optimizer,
                    training.learning_rate,
                    training.epochs,
                    joint_variables(networks, reference, training.adapter),
                ),
                self._auditor,
                self._surrogate,
                data,
                lambda: float(self._results["feature_range"]),
                self._end_joint,
            ),
            remote_stage(
                parts,
                self._optimiser(
                    training.optimizer,
                    training.learning_rate,
                    training.remote_epochs,
                    networks.remote.trainable_variables,
                ),
                data,
                training.remote_epochs,
            ),
        )

    def _reference_optimiser(self) -> Optimiser | None:
        builtin = self._spec.reference.model == "builtin"
        rate = REFERENCE_LEARNING_RATE if builtin else FINE_TUNING_LEARNING_RATE
        reference = self._parts.reference
        variables = reference.full.trainable_variables if reference.trainable else []
        return self._optimiser("adamw", rate, self._spec.training.reference_epochs, variables)

    def _optimiser(
        self, name: str, rate: float, epochs: int, variables: list[Tensor]
    ) -> Optimiser | None:
        if not variables:
            return None
        decay = self._spec.training.weight_decay
        optimiser = make_optimiser(name, rate, decay, epochs * self._batches, variables)
        return scaled_for_float16(optimiser) if self._parts.policy == "mixed_float16" else optimiser

    def _run_stage(self, stage: Stage) -> None:
        if stage.contested and self._epoch == 0 < stage.epochs:
            self._keep_best(stage, stage.measure())
        while self._epoch < stage.epochs and not self._has_stalled(stage):
            started = time.monotonic()
            sums: dict[str, Tensor] = {}
            for batch, (images, labels) in enumerate(
                self._epoch_batches(stage.name, self._epoch), start=1
            ):
                for key, value in stage.step(self._epoch, images, labels).items():
                    sums[key] = sums.get(key, 0.0) + value
                self._tell_batch(stage, batch, time.monotonic() - started)
            metrics = {key: float(value) / self._batches for key, value in sums.items()}
            self._demand_finite(stage, metrics)
            self._parts.measured()
            metrics.update(stage.measure())
            seconds = time.monotonic() - started
            self._seconds += seconds
            self._clock.add(stage.name, seconds)
            self._epoch += 1
            self._keep_best(stage, metrics)
            self._record(stage, metrics)
            ended = self._epoch == stage.epochs or self._has_stalled(stage)
            if self._epoch % self._spec.training.checkpoint == 0 or ended:
                self._checkpoint(stage)
            left = self._clock.left(stage.name, stage.epochs if ended else self._epoch)
            self._progress(Progress(stage.name, self._epoch, stage.epochs, metrics, seconds, left))
        if self._epoch < stage.epochs:
            stopped = self._results.get("stopped_early", {})
            self._results["stopped_early"] = {**stopped, stage.name: self._epoch}
        self._parts.measured()
        self._results.update(stage.finish())

    def _has_stalled(self, stage: Stage) -> bool:
        """Whether early stopping ends the stage; the history decides, so a resumed run agrees."""
        scores = [record.score for record in self._history if record.stage == stage.name]
        return history.stalled(scores, self._spec.training.early_stop)

    def _tell_batch(self, stage: Stage, batch: int, seconds: float) -> None:
        if self._options.on_batch is None:
            return
        part = batch / self._batches
        left = self._clock.left(stage.name, self._epoch + part, seconds / part)
        told = BatchProgress(stage.name, self._epoch, stage.epochs, batch, self._batches, left)
        self._options.on_batch(told)

    def _record(self, stage: Stage, metrics: Mapping[str, float]) -> None:
        """Append the epoch that ended to the history and to the logs."""
        score = stage.score(self._epoch - 1, metrics)
        if score is None and stage.watched is not None:
            score = metrics[stage.watched]
        optimiser = stage.optimiser
        record = EpochRecord(
            stage.name,
            self._epoch,
            dict(metrics),
            None if optimiser is None else float(optimiser.learning_rate.numpy()),
            score,
            self._auditor.latest if stage.name == "joint" else (),
        )
        self._history = (*self._history, record)
        if self._log is not None:
            self._log.add(record)

    def _demand_finite(self, stage: Stage, metrics: Mapping[str, float]) -> None:
        """Refuse to go on with a training whose loss is no number any more."""
        lost = [name for name, value in metrics.items() if not np.isfinite(value)]
        if not lost:
            return
        training = self._spec.training
        learns = stage.name in ("joint", "remote")
        if learns:
            hint = f"lower `training.learning_rate`, which is {training.learning_rate:g}"
            if training.optimizer == "sgd":
                hint += ", or set `training.optimizer: adamw`"
        else:
            hint = "check the reference's weights, or set `reference.model: builtin`"
        raise AgilennError.of(
            ExitCode.SPEC,
            "training.diverged",
            f"training diverged: {', '.join(lost)} became infinite or undefined in epoch "
            f"{self._epoch + 1} of stage {stage.name!r}",
            hint=hint,
            where=self._spec.where("training.learning_rate" if learns else "reference.model"),
        )

    def _epoch_batches(self, stage: str, epoch: int) -> list[tuple[Tensor, Tensor]] | Any:
        split: Split = self._dataset.train
        seed = derive_seed(self._spec.seed, "shuffle", stage, epoch)
        order = np.random.default_rng(seed).permutation(len(split.images))
        generator = np.random.default_rng(derive_seed(self._spec.seed, "augment", stage, epoch))
        augmentations = self._spec.dataset.augmentations
        for index in range(self._batches):
            chosen = order[index * self._batch : (index + 1) * self._batch]
            images = augment(split.images[chosen], augmentations, generator)
            yield tf.constant(normalise(images)), tf.constant(split.labels[chosen])

    def _keep_best(self, stage: Stage, metrics: Mapping[str, float]) -> None:
        score = stage.score(self._epoch - 1, metrics)
        if score is not None and score >= self._best.get("score", -np.inf):
            self._best = {"score": score, "epoch": self._epoch}
            self._best_arrays = arrays_of(self._parts.split_variables())

    def _all_variables(self, stage: Stage | None) -> dict[str, Tensor]:
        named = self._parts.variables()
        if stage is not None and stage.optimiser is not None:
            named.update(numbered("optimiser", stage.optimiser.variables))
        if stage is not None:
            named.update(numbered("state", list(stage.state)))
        return named

    def _checkpoint(self, stage: Stage | None) -> None:
        arrays = arrays_of(self._all_variables(stage))
        arrays.update({f"best/{name}": value for name, value in self._best_arrays.items()})
        state = {
            "fingerprint": training_fingerprint(self._spec, self._dataset),
            "stage": self._stage,
            "epoch": self._epoch,
            "best": self._best,
            "results": self._results,
            "seconds": self._seconds,
            "timed": self._clock.timed,
            "history": history.to_json(self._history),
        }
        checkpoint.write(self._work, Checkpoint(arrays, state))

    def _resume(self) -> None:
        found = checkpoint.read(self._work, training_fingerprint(self._spec, self._dataset))
        if found is None:
            return
        state = found.state
        self._stage, self._epoch = state["stage"], state["epoch"]
        self._best, self._results = dict(state["best"]), dict(state["results"])
        self._seconds = state["seconds"]
        self._history = history.from_json(state["history"])
        stage = next(stage for stage in self._stages if stage.name == self._stage)
        epochs = {stage.name: stage.epochs for stage in self._stages}
        self._clock = TrainingClock(epochs, state["timed"])
        if self._options.on_resume is not None:
            self._options.on_resume(Resumed(self._stage, self._epoch, stage.epochs))
        self._best_arrays = {
            name.removeprefix("best/"): value
            for name, value in found.arrays.items()
            if name.startswith("best/")
        }
        for name, variable in self._all_variables(stage if self._epoch else None).items():
            variable.assign(found.arrays[name])

    def _importance_change(self) -> ImportanceChange:
        after = self._after
        return ImportanceChange.from_json(
            {
                "before": self._results.get("importance_before"),
                "after": asdict(after) if after else None,
                "selected": self._results.get("selected_channels", ()),
            }
        )

    def _measure_test(self) -> dict[str, Any]:
        """Return the report's figures; the one time that the test split is looked at."""
        data, top, results = self._dataset, self._spec.split.top, self._results
        test, split = data.test, self._parts.freeze()
        seen, _labels = subset(data.train, CODE_SAMPLES)
        found, figures = rate_figures(split, test, seen)
        importance = self._auditor.importance(test.images, test.labels)
        self._after = ChannelImportance.of(importance)

        def right(logits: npt.NDArray[np.float32]) -> float:
            return float((logits.argmax(axis=1) == test.labels).mean())

        return {
            "accuracy_reference": results["accuracy_reference"],
            "accuracy_reference_on_features": importance.accuracy,
            "accuracy_float": right(found.combined),
            "accuracy_local": right(found.local),
            "accuracy_remote": right(found.remote),
            "skewness": importance.skewness(top),
            "expected_bytes": figures[0].expected_bytes,
            "rates": [asdict(found) for found in figures],
            "rho": self._spec.split.skewness,
            "disorder": importance.disorder(top),
            **surrogate_figures(self._surrogate.importance(test.images, test.labels), top),
            "alpha": split.alpha,
            "k": top,
            "channels": self._spec.feature_shape[2],
            "epochs": results["epochs"],
            "best_epoch": results["best_epoch"],
            "stopped_early": results.get("stopped_early", {}),
            "seconds": round(self._seconds, 3),
        }
