"""Profiles: sets of defaults for the training keys that the user did not write."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

QUICK: Mapping[str, Any] = MappingProxyType(
    {
        "epochs": 10,
        "reference_epochs": 5,
    }
)
"""A training that two CPU cores finish in minutes."""

PAPER: Mapping[str, Any] = MappingProxyType(
    {
        # Sec. 7: optimiser, learning rate, weight decay, epochs, batch.
        "optimizer": "sgd",
        "learning_rate": 0.1,
        "weight_decay": 5e-4,
        "epochs": 200,
        "batch": 64,
        # Sec. 4.2 and 3.3: lambda of 0.2 to 0.4, T of 4 to 8.
        "lambda_": 0.3,
        "temperature": 6.0,
        "balancing": "fixed",
        # Sec. 2.2: integrated gradients from a naive baseline, differentiated in every step.
        "attribution": "integrated-gradients",
        "steps": 20,
        "baseline": "zero",
        "attribution_every": 1,
        # Sec. 3.1: the reference is trained in advance, and nothing of it afterwards.
        "adapter": "frozen",
        "importance_gradient": "all",
        # Sec. 6: learning-based quantisation after Agustsson et al. 2017.
        "quantiser": "soft-to-hard",
        # Eq. 1 and 2 as they stand.
        "order": "disorder",
        "order_margin": 0.0,
        "skewness_margin": 0.0,
        # What this project adds to the paper's losses.
        "local_loss": 0.0,
        "reference_loss": 0.0,
        "rate_loss": 0.0,
        "channel_dropout": 0.0,
        "remote_epochs": 0,
    }
)
"""What the paper says, and nothing that it does not say."""

PAPER_CIFAR10_BATCH = 128
"""Sec. 7: 128 for CIFAR-10, 64 for all other data sets."""


def profile_defaults(profile: str, dataset: str | None) -> Mapping[str, Any]:
    """Return the defaults of `profile` by field name of the `training` section.

    `dataset` is the data set's name, None for the user's own. Keys that are not in the result have
    the defaults of the section itself; those are the profile `default`.
    """
    if profile == "paper":
        own = {"batch": PAPER_CIFAR10_BATCH} if dataset == "cifar10" else {}
        return {**PAPER, **own}
    return QUICK if profile == "quick" else {}
