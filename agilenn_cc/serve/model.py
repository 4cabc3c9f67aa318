"""The remote net: a frozen TensorFlow graph from features to logits. TensorFlow loads here only."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from .errors import ServeError
from .metadata import REMOTE_NET_FILE, ServerMeta

Evaluate = Callable[[NDArray[np.float32]], NDArray[np.float32]]
"""float32 [N, rows, columns, channels] features to float32 [N, classes] logits."""

_LOG = logging.getLogger(__name__)


def load_remote_net(graphdef: bytes, meta: ServerMeta, threads: int) -> Evaluate:
    """Load a frozen GraphDef (`features` to `logits`) and run it once on modal features.

    `threads`: TensorFlow threads within an operator (0: one for each core, at most 4). Raises
    `ServeError` if TensorFlow is missing or the graph does not fit the metadata.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    try:
        import tensorflow as tf
    except ImportError as error:
        raise ServeError(
            f"TensorFlow cannot be imported: {error}", "pip install -r requirements.txt"
        ) from error
    try:
        tf.config.threading.set_intra_op_parallelism_threads(threads or min(4, os.cpu_count() or 1))
        tf.config.threading.set_inter_op_parallelism_threads(1)
    except RuntimeError:
        _LOG.debug("TensorFlow runs already: its threads stay as they are")

    again = "build the project again"
    try:
        graph = tf.compat.v1.GraphDef.FromString(graphdef)
        wrapped = tf.compat.v1.wrap_function(
            lambda: tf.graph_util.import_graph_def(graph, name=""), []
        )
        pruned = wrapped.prune("features:0", "logits:0")
    except Exception as error:  # protobuf and TensorFlow raise many types; all mean a bad file
        raise ServeError(f"{REMOTE_NET_FILE} cannot be loaded: {error}", again) from error

    def evaluate(features: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.asarray(pruned(tf.constant(features)).numpy(), dtype=np.float32)

    try:
        logits = evaluate(meta.features(meta.modal_symbols()[None]))
    except (tf.errors.OpError, ValueError, TypeError) as error:
        raise ServeError(
            f"{REMOTE_NET_FILE} does not take features of shape "
            f"{meta.rows}x{meta.columns}x{meta.channels}: {error}",
            again,
        ) from error
    if logits.shape != (1, len(meta.classes)):
        raise ServeError(
            f"{REMOTE_NET_FILE} yields {logits.shape}, not {len(meta.classes)} logits", again
        )
    return evaluate
