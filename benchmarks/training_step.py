"""Times a joint training step with each attribution against plain training of the same network.

Run with `script/bench training_step [--json] [--steps N] [--only NAME]`. The network is that of
examples/cifar10/spec-32.yaml; one thread, batches of 64 random images. Plain is the same network
with lambda 1 and without a loss of the reference. Rounds of all cases are interleaved and the least
time of a case counts, so that other work on the machine disturbs little.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from agilenn_cc.learn.attribution import make_attribution
from agilenn_cc.learn.backend import tf
from agilenn_cc.learn.baseline import FeatureBaseline
from agilenn_cc.learn.joint import JointStep, build_split, joint_variables
from agilenn_cc.learn.judge import Judge
from agilenn_cc.learn.optimisers import make_optimiser
from agilenn_cc.learn.reference import build_reference
from agilenn_cc.learn.split_model import normalise
from agilenn_cc.spec import Spec, load_spec

BATCH = 64
CLASSES = 10
SPEC = Path(__file__).parent.parent / "examples" / "cifar10" / "spec-32.yaml"
PLAIN = ("lambda=1", "reference_loss=0", "adapter=frozen")
CASES: dict[str, tuple[str, ...]] = {
    "plain": PLAIN,
    "default": (),
    "first-order, two points, cached": ("attribution=integrated-gradients-two-point-first-order",),
    "first-order, two points, cached, every 2nd step": (
        "attribution=integrated-gradients-two-point-first-order",
        "attribution_every=2",
    ),
    "two points, cached": ("attribution=integrated-gradients-two-point",),
    "two points, cached, every 4th step": (
        "attribution=integrated-gradients-two-point",
        "attribution_every=4",
    ),
    "first-order, 1 step": ("attribution=integrated-gradients-first-order", "steps=1"),
    "first-order, 4 steps": ("attribution=integrated-gradients-first-order", "steps=4"),
    "gradient saliency": ("attribution=gradient-saliency",),
    "4 steps": ("attribution=integrated-gradients", "steps=4"),
    "profile paper": ("profile=paper", "batch=64", "rate_loss=0"),
}


@dataclass(frozen=True)
class Timing:
    """Milliseconds of a step, mean over a round, least of all rounds; ratio to plain training."""

    name: str
    step_ms: float
    ratio: float


def spec_of(settings: tuple[str, ...]) -> Spec:
    """Return the spec of a case."""
    return load_spec(SPEC, [f"training.{setting}" for setting in settings])


def case(spec: Spec, images: Any, labels: Any) -> Callable[[int], None]:
    """Return a function that trains for a number of steps as the joint stage does."""
    networks, reference = build_split(spec, CLASSES), build_reference(spec, CLASSES)
    training = spec.training
    baseline = FeatureBaseline(training.baseline, networks.extractor, images)
    attribution = make_attribution(training.attribution, training.steps, baseline.value)
    judge = Judge(spec, reference, attribution, baseline)
    variables = joint_variables(networks, reference, training.adapter)
    optimiser = make_optimiser(
        training.optimizer, training.learning_rate, training.weight_decay, 10_000, variables
    )
    joint = JointStep(spec, networks, reference, judge, optimiser)
    batch, answers = tf.constant(normalise(images)), tf.constant(labels)
    sigma, hard = tf.constant(1.0), tf.constant(0.0)

    def run(steps: int) -> None:
        for number in range(steps):
            attributed = number % training.attribution_every == 0
            if attributed and training.lambda_ < 1.0:
                judge.refresh(number)
            joint.run(batch, answers, sigma, hard, False, attributed)

    run(training.attribution_every + 1)  # compiles
    return run


def measure(names: list[str], steps: int, rounds: int) -> list[Timing]:
    """Return a timing for each named case and for plain training, which comes first."""
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (BATCH, 32, 32, 3)).astype(np.uint8)
    labels = random.integers(0, CLASSES, BATCH)
    specs = {name: spec_of(CASES[name]) for name in names}
    runs = {name: case(spec, images, labels) for name, spec in specs.items()}
    least = dict.fromkeys(runs, float("inf"))
    for _ in range(rounds):
        for name, run in runs.items():
            # Processor time: with one thread it is the time of an idle machine.
            started = time.process_time()
            run(steps)
            least[name] = min(least[name], (time.process_time() - started) / steps)
    return [
        Timing(name, round(1000 * seconds, 2), round(seconds / least["plain"], 3))
        for name, seconds in least.items()
    ]


def main() -> None:
    """Print the table, or JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--steps", type=int, default=16, help="steps in a round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", action="append", choices=list(CASES), help="cases beside plain")
    arguments = parser.parse_args()
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    names = list(dict.fromkeys(["plain", *(arguments.only or CASES)]))
    timings = measure(names, arguments.steps, arguments.rounds)
    if arguments.json:
        lines = [json.dumps([asdict(timing) for timing in timings], indent=1)]
    else:
        lines = ["| training | ms a step | times plain |", "|---|---:|---:|"]
        lines += [f"| {found.name} | {found.step_ms} | {found.ratio} |" for found in timings]
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
