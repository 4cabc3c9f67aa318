"""Shares the work of a training step between devices, or between machines (tf.distribute).

Each replica takes an equal part of the batch; gradients are summed, so that the replicas take the
step that one device takes with the whole batch. For that, batch norm uses the statistics of all
replicas, and means over a part of the samples (`total`) count the samples of all.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from typing import Any, TypeAlias

from agilenn_cc.errors import AgilennError, ExitCode
from agilenn_cc.learn.backend import Model, Tensor, keras, tf

Strategy: TypeAlias = Any
"""A tf.distribute strategy."""

Step: TypeAlias = Callable[..., Mapping[str, Tensor]]
"""Trains on (images [B, H, W, C], labels [B], ...) and returns scalar metrics, means over B."""


def make_strategy(name: str) -> Strategy | None:
    """Return the strategy called `name` of `learn.options.STRATEGIES`; None for `none`.

    `mirrored` takes all GPUs of this machine, or all of its logical CPU devices where it has no
    GPU. `multi-worker` takes part in the cluster that the environment variable TF_CONFIG names.

    Raises `AgilennError`: exit 2 where TF_CONFIG is missing or wrong, exit 7 where the cluster
    cannot be joined.
    """
    if name == "none":
        return None
    if name == "mirrored":
        devices = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
        return tf.distribute.MirroredStrategy([device.name for device in devices])
    _check_cluster(os.environ.get("TF_CONFIG", ""))
    try:
        return tf.distribute.MultiWorkerMirroredStrategy()
    except (tf.errors.OpError, RuntimeError) as error:
        raise _cluster(ExitCode.EXTERNAL, str(error)) from error


def _check_cluster(text: str) -> None:
    if not text:
        raise _cluster(ExitCode.USAGE, "TF_CONFIG is not set")
    try:
        config = json.loads(text)
        workers, index = list(config["cluster"]["worker"]), int(config["task"]["index"])
    except (ValueError, KeyError, TypeError):
        reason = "TF_CONFIG is no JSON with cluster.worker and task.index"
        raise _cluster(ExitCode.USAGE, reason) from None
    if not 0 <= index < len(workers):
        raise _cluster(ExitCode.USAGE, f"TF_CONFIG has {len(workers)} workers, and none {index}")


def _cluster(code: ExitCode, reason: str) -> AgilennError:
    return AgilennError.of(
        code,
        "training.cluster",
        f"--strategy multi-worker: {reason}",
        hint='on each machine: TF_CONFIG=\'{"cluster": {"worker": ["host1:2222", "host2:2222"]}, '
        '"task": {"type": "worker", "index": 0}}\', with the machine\'s own index',
    )


def scope(strategy: Strategy | None) -> AbstractContextManager[Any]:
    """Return the context in which variables of a training are made, and its steps compiled."""
    if strategy is None:
        return contextlib.nullcontext()
    entered: AbstractContextManager[Any] = strategy.scope()
    return entered


def replicas(strategy: Strategy | None) -> int:
    """Return between how many devices a batch is divided."""
    return 1 if strategy is None else int(strategy.num_replicas_in_sync)


def cluster_failed(error: Exception) -> AgilennError:
    """Return what to tell when another worker is gone (exit 7)."""
    return _cluster(ExitCode.EXTERNAL, f"another worker failed: {error}".splitlines()[0])


def synchronise_batch_norm(models: Iterable[Model], strategy: Strategy | None) -> None:
    """Let batch norm use the statistics of all replicas' samples, however many replicas there are.

    Without a strategy nothing changes: batch norm is then fused, and its moving variance has
    Bessel's correction n / (n - 1), which the synchronised one lacks.
    """
    if strategy is None:
        return
    for model in models:
        for layer in model.submodules:
            if isinstance(layer, keras.layers.BatchNormalization):
                layer.fused, layer.synchronized = False, True


def compile_step(run: Step) -> Step:
    """Return `run` as a compiled step under the strategy in whose scope this is called.

    What follows images and labels goes to every replica as it is; metrics are means over replicas.
    """
    if not tf.distribute.has_strategy():
        compiled: Step = tf.function(run)
        return compiled
    strategy = tf.distribute.get_strategy()
    parts = strategy.num_replicas_in_sync

    def summed(images: Tensor, labels: Tensor, *rest: Any) -> Mapping[str, Tensor]:
        found = strategy.run(run, args=(images, labels, *rest))
        return {name: strategy.reduce("MEAN", value, axis=None) for name, value in found.items()}

    distributed = tf.function(summed)

    def divided(values: Tensor) -> Tensor:
        size = int(values.shape[0]) // parts

        def part(context: Any) -> Tensor:
            index = context.replica_id_in_sync_group
            return values[index * size : (index + 1) * size]

        return strategy.experimental_distribute_values_from_function(part)

    def step(images: Tensor, labels: Tensor, *rest: Any) -> Mapping[str, Tensor]:
        result: Mapping[str, Tensor] = distributed(divided(images), divided(labels), *rest)
        return result

    return step


def total(value: Tensor) -> Tensor:
    """Return the sum of `value` over all replicas, without a gradient; itself where there is one.

    Where it divides a sum over a replica's samples, multiply that by `parts`, for the replicas'
    results are averaged.
    """
    context = tf.distribute.get_replica_context()
    if context is None or context.num_replicas_in_sync == 1:
        return value
    return context.all_reduce(tf.distribute.ReduceOp.SUM, tf.stop_gradient(value))


def parts() -> int:
    """Return the number of replicas of the strategy that runs now."""
    return int(tf.distribute.get_strategy().num_replicas_in_sync)
