"""Finds data sets by name: entry points, to which the built-in ones belong."""

from __future__ import annotations

from importlib.metadata import EntryPoint, entry_points

from agilenn_cc.data.audio import AUDIO
from agilenn_cc.data.folder import IMAGES
from agilenn_cc.data.npz import NPZ
from agilenn_cc.data.source import DatasetSource, Request
from agilenn_cc.errors import ExitCode, nearest
from agilenn_cc.spec.check import DATASETS_GROUP

# The same values that the package metadata declares: a checkout that is not installed has none.
_BUILT_IN = (
    EntryPoint("digits", "agilenn_cc.data.digits:DIGITS", DATASETS_GROUP),
    EntryPoint("cifar10", "agilenn_cc.data.cifar10:CIFAR10", DATASETS_GROUP),
    EntryPoint("cifar100", "agilenn_cc.data.cifar100:CIFAR100", DATASETS_GROUP),
    EntryPoint("svhn", "agilenn_cc.data.svhn:SVHN", DATASETS_GROUP),
    EntryPoint("imagenet200", "agilenn_cc.data.imagenet200:IMAGENET200", DATASETS_GROUP),
)


def find_source(request: Request) -> DatasetSource:
    """Return the source that the `dataset` section names.

    Raises:
        AgilennError: there is none (exit code 3), or its plugin cannot be imported (7).
    """
    if request.config.images is not None:
        return IMAGES
    if request.config.npz is not None:
        return NPZ
    if request.config.audio is not None:
        return AUDIO
    name = request.config.name or ""
    known = {point.name: point for point in (*entry_points(group=DATASETS_GROUP), *_BUILT_IN)}
    if name not in known:
        close = nearest(name, known)
        hint = f"did you mean `{close}`?" if close else "one of: " + ", ".join(sorted(known))
        raise request.error("name", f"there is no data set named `{name}`", hint, "data.missing")
    point = known[name]
    try:
        source: DatasetSource = point.load()
    except Exception as error:
        # A plugin may fail in any way at import; whatever it is, its author needs to know it.
        distribution = point.dist.name if point.dist else "agilenn-cc"
        raise request.error(
            "name",
            f"the data set plugin `{name}` ({point.value}) failed to load: "
            f"{type(error).__name__}: {error}",
            f"repair or uninstall the package {distribution}",
            "data.plugin",
            ExitCode.EXTERNAL,
        ) from error
    return source
