"""Plain training of an ordinary classifier on images: the other side of comparisons.

The network is a float stem, one linear convolution with more filters than an extractor has, and
then the spec's own remote net; optimiser, batches and augmentation are those of the spec's joint
training, and it has all the epochs that the remote net has there (`plain_epochs`), so that the
sides differ in what lies between camera and remote net alone.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from agilenn_cc.data import Dataset, augment
from agilenn_cc.learn import losses
from agilenn_cc.learn.audit import accuracy
from agilenn_cc.learn.backend import Model, Tensor, derive_seed, keras, make_deterministic, tf
from agilenn_cc.learn.history import EpochRecord, History
from agilenn_cc.learn.images import normalise
from agilenn_cc.learn.networks import build_network, build_remote
from agilenn_cc.learn.optimisers import apply_gradients, make_optimiser
from agilenn_cc.learn.progress import Progress, ProgressCallback
from agilenn_cc.spec import Conv, Spec, output_shape

Images: TypeAlias = npt.NDArray[np.uint8]
Channel: TypeAlias = Callable[[Images, np.random.Generator], Images]
"""What happens to a batch of images [N, H, W, C] on its way, at random."""

STAGE = "plain"
STEM_FILTERS = 48


@dataclass(frozen=True)
class PlainNetwork:
    """A trained classifier: images [N, H, W, C] in (pixel - 128) / 128 to logits."""

    model: Model
    history: History

    def accuracy(self, images: Images, labels: npt.NDArray[np.int64]) -> float:
        """Return the part of raw uint8 images that is answered correctly."""
        return accuracy(self.model, images, labels)


def stem(spec: Spec) -> Conv:
    """Return the convolution that takes images to maps of the extractor's height and width."""
    shape, features = spec.input_shape, spec.feature_shape
    stride = (-(-shape[0] // features[0]), -(-shape[1] // features[1]))
    return Conv(STEM_FILTERS, (max(3, stride[0]), max(3, stride[1])), stride, None)


def build_plain(spec: Spec, classes: int) -> Model:
    """Return the untrained classifier, stem and remote net, float32."""
    first = stem(spec)
    shape = output_shape((first,), spec.input_shape, classes)
    seed = derive_seed(spec.seed, STAGE)
    front = build_network((first,), spec.input_shape, classes, "stem", seed)
    remote = build_remote(spec.network.remote, (shape[0], shape[1], shape[2]), classes, seed)
    return keras.Model(front.input, remote(front.output), name=STAGE)


def plain_epochs(spec: Spec) -> int:
    """Return the epochs: those of joint training and of the remote net alone."""
    return spec.training.epochs + spec.training.remote_epochs


def train_plain(
    spec: Spec,
    dataset: Dataset,
    channel: Channel | None = None,
    progress: ProgressCallback | None = None,
) -> PlainNetwork:
    """Train the classifier for `plain_epochs`; the last epoch counts.

    Each batch goes through the spec's augmentation and then through `channel`. The same spec, data
    and seed give the same network.
    """
    make_deterministic()
    model = build_plain(spec, len(dataset.classes))
    training, train = spec.training, dataset.train
    batch = min(training.batch, len(train))
    batches, epochs = len(train) // batch, plain_epochs(spec)
    variables = model.trainable_variables
    optimiser = make_optimiser(
        training.optimizer,
        training.learning_rate,
        training.weight_decay,
        epochs * batches,
        variables,
    )

    def run(images: Tensor, labels: Tensor) -> Tensor:
        with tf.GradientTape() as tape:
            loss = losses.prediction_loss(labels, model(images, training=True))
        apply_gradients(loss, tape, variables, optimiser)
        return loss

    step = tf.function(run)
    history: History = ()
    for epoch in range(epochs):
        began, total = time.monotonic(), 0.0
        generator = np.random.default_rng(derive_seed(spec.seed, STAGE, epoch))
        order = generator.permutation(len(train))
        for start in range(0, batches * batch, batch):
            chosen = order[start : start + batch]
            images = augment(train.images[chosen], spec.dataset.augmentations, generator)
            if channel is not None:
                images = channel(images, generator)
            total += float(step(tf.constant(normalise(images)), tf.constant(train.labels[chosen])))
        metrics = {
            "loss": total / batches,
            "validation_accuracy": accuracy(
                model, dataset.validation.images, dataset.validation.labels
            ),
        }
        history += (EpochRecord(STAGE, epoch + 1, metrics),)
        if progress is not None:
            seconds = time.monotonic() - began
            progress(Progress(STAGE, epoch + 1, epochs, metrics, seconds))
    return PlainNetwork(model, history)
