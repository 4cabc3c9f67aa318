"""What must hold between the keys of a spec (stage 3); runs only on a spec whose shape is right."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib.metadata import entry_points
from pathlib import Path

from agilenn_cc.errors import Diagnostic, Position, nearest
from agilenn_cc.spec.augmentation import Cutout, Flip, Shift
from agilenn_cc.spec.language import parse_network
from agilenn_cc.spec.layers import (
    Dense,
    GlobalAveragePool,
    Layer,
    LayerShapeError,
    MobileNetV2,
    Shape,
    format_layer,
    format_shape,
    is_linear_block,
    layer_shapes,
)
from agilenn_cc.spec.messages import in_order
from agilenn_cc.spec.model import BUILTIN_REFERENCES, KNOWN_IMAGES, Spec
from agilenn_cc.spec.overrides import looks_like_path
from agilenn_cc.spec.source import Document

DATASETS_GROUP = "agilenn_cc.datasets"
_MAX_FRAGMENTS = 256
_LZW_BITS = 12
_CONTEXT_GROUP_BYTES = 10  # at worst, of up to four symbols
_CONTEXT_CLOSING_BYTES = 2
_WHOLE = "the .tflite network runs on the device as a whole"
_WITHOUT_SPLIT = {
    "network.extractor": "keep one of the two: `extractor` is trained here, `tflite` is ready",
    "network.local": f"{_WHOLE}: remove `local`",
    "network.remote": f"{_WHOLE}, without a server: remove `remote`",
    "network.init": "the .tflite network is trained already: remove `init`",
    "reference": "nothing is trained here: remove `reference`",
    "split": f"{_WHOLE}: remove `split`",
    "training": "the .tflite network is trained already: remove `training`",
    "payload": f"{_WHOLE} and sends nothing: remove `payload`",
    "dataset.normalisation": "the .tflite network is trained already: remove `normalisation`",
    "dataset.augmentation": "the .tflite network is trained already: remove `augmentation`",
    "link": f"{_WHOLE} and needs no link: remove `link`",
    "budget.payload": f"{_WHOLE} and sends nothing: remove it",
}


def check(spec: Spec, document: Document) -> tuple[Diagnostic, ...]:
    """Return everything that is wrong between keys."""
    return in_order(_Checker(spec, document).findings())


class _Checker:
    def __init__(self, spec: Spec, document: Document) -> None:
        self.spec = spec
        self.document = document

    def findings(self) -> Iterator[Diagnostic]:
        yield from self.dataset()
        yield from self.augmentation()
        if self.spec.network.tflite is not None:
            yield from self.on_device(self.spec.network.tflite)
            return
        if not self.spec.network.extractor:
            yield self.lacks_network()
            return
        yield from self.reference()
        image = self.spec.dataset.image or KNOWN_IMAGES.get(self.spec.dataset.name or "")
        yield from self.network(image)

    def error(self, key: str, message: str, hint: str, where: Position | None = None) -> Diagnostic:
        path = tuple(key.split("."))
        entry = self.document.entries.get(path)
        place = where or (entry.value if entry else self.document.nearest_entry(path))
        return Diagnostic("spec.inconsistent", message, place, hint)

    def dataset(self) -> Iterator[Diagnostic]:
        dataset = self.spec.dataset
        keys = ("name", "images", "npz", "audio")
        sources = [key for key in keys if getattr(dataset, key) is not None]
        if len(sources) != 1:
            given = " and ".join(f"`{key}`" for key in sources) or "none of them"
            yield self.error(
                f"dataset.{sources[-1]}" if sources else "dataset",
                f"`dataset` takes one of `name`, `images`, `npz` and `audio`, and here is {given}",
                "keep one of them" if sources else "add for example `name: digits`",
            )
            return
        if dataset.name is not None:
            known = {*KNOWN_IMAGES, *(point.name for point in entry_points(group=DATASETS_GROUP))}
            if dataset.name not in known:
                close = nearest(dataset.name.lower(), sorted(known))
                yield self.error(
                    "dataset.name",
                    f"there is no data set named `{dataset.name}`",
                    f"did you mean `{close}`?"
                    if close
                    else f"one of: {', '.join(sorted(known))}; or `images: FOLDER` for your own",
                )
                return
        if dataset.audio is None and ("dataset", "clip") in self.document.entries:
            yield self.error(
                "dataset.clip",
                "`clip` is the length of recordings, and this data set has images",
                "remove it, or name a folder of WAV files by `audio`",
            )
        if dataset.path is not None and dataset.name in (None, "digits"):
            yield self.error(
                "dataset.path",
                "`path` is only for named data sets that lie in files, such as cifar10",
                "remove it" if dataset.name else f"`{sources[0]}` is the path here: remove `path`",
            )
        if dataset.image is None and dataset.name not in KNOWN_IMAGES:
            yield self.error(
                "dataset",
                "`dataset` lacks `image`, the size of the network's input",
                "add for example `image: 96x96x3`",
            )
        elif dataset.image is not None and dataset.npz is None and dataset.image[2] not in (1, 3):
            yield self.error(
                "dataset.image",
                f"images have 1 channel (grey) or 3 (colour), not {dataset.image[2]}",
                "end the size with x1 or x3",
            )

    def augmentation(self) -> Iterator[Diagnostic]:
        dataset = self.spec.dataset
        if dataset.audio is not None and Flip() in dataset.augmentations:
            yield self.error(
                "dataset.augmentation",
                "`flip` would mirror the frequencies of spectrograms",
                "remove it; `shift` and `cutout` suit recordings",
            )
        side = min((dataset.shape or (1024, 1024))[:2])
        for each in dataset.augmentations:
            most = side // 2 if isinstance(each, Shift) else side
            if isinstance(each, Shift | Cutout) and each.pixels > most:
                text = f"{type(each).__name__.lower()} {each.pixels}"
                yield self.error(
                    "dataset.augmentation",
                    f"`{text}` is too much for images of {format_shape(dataset.shape or ())}",
                    f"at most {most}",
                )

    def lacks_network(self) -> Diagnostic:
        return Diagnostic(
            "spec.missing-key",
            "`network` lacks `extractor`",
            self.document.nearest_entry(("network", "extractor")),
            "add `extractor: conv 24 3x3 /2 relu6`, or `tflite: model.tflite` for a network of "
            "your own",
        )

    def on_device(self, tflite: str) -> Iterator[Diagnostic]:
        """A .tflite network is trained already, and nothing of it is sent."""
        for key, reason in _WITHOUT_SPLIT.items():
            *parents, last = key.split(".")
            section = self.document.data
            for parent in parents:
                section = section.get(parent, {})
            if last in section:
                yield self.error(key, f"`{key}` is given beside `network.tflite`", reason)
        file = self.spec.base_dir / Path(tflite).expanduser()
        if not file.is_file():
            hint = "paths count from the spec's folder"
            yield self.error("network.tflite", f"there is no file {file}", hint)

    def reference(self) -> Iterator[Diagnostic]:
        reference = self.spec.reference
        if reference.model in BUILTIN_REFERENCES:
            if reference.cut is not None:
                yield self.error(
                    "reference.cut",
                    f"`cut` names a layer of your own model, and `{reference.model}` is ours",
                    "remove `cut`",
                )
            return
        file = self.spec.base_dir / Path(reference.model).expanduser()
        if not file.exists():
            close = nearest(reference.model.lower(), BUILTIN_REFERENCES)
            names = " and ".join(BUILTIN_REFERENCES)
            if looks_like_path(reference.model):
                message, hint = f"there is no model at {file}", "paths count from the spec's folder"
            else:
                message = f"`{reference.model}` is neither a known reference nor a file"
                hint = f"did you mean `{close}`?" if close else f"the known ones are {names}"
            yield self.error("reference.model", message, hint)
        elif reference.cut is None:
            yield self.error(
                "reference.model",
                "a model of your own needs `cut`, the layer whose output the extractor replaces",
                "add for example `cut: block2_output`",
            )

    def network(self, image: Shape | None) -> Iterator[Diagnostic]:
        network = self.spec.network
        tops = [
            self.layer_error("extractor", index, f"`{format_layer(layer)}` ends the feature map")
            for index, layer in enumerate(network.extractor)
            if isinstance(layer, Dense | GlobalAveragePool)
        ]
        yield from tops
        yield from self.ends("local", network.local)
        if not isinstance(network.remote, MobileNetV2):
            yield from self.ends("remote", network.remote)
        if image is None or tops:
            return
        features: list[Shape] = []
        yield from self.shapes("extractor", network.extractor, image, features.append)
        if not features:
            return
        height, width, channels = features[0]
        top = self.spec.split.top
        if network.init == "pca":
            yield from self.principal_components(image[-1], channels - top)
        if top >= channels:
            yield self.error(
                "split.top",
                f"`split.top` is {top}, but the extractor yields {channels} channels "
                f"({format_shape(features[0])}) and some must be left to send",
                f"choose 1 to {channels - 1}" if channels > 1 else "widen the extractor",
            )
        sent = max(1, channels - top)
        yield from self.shapes("local", network.local, (height, width, top))
        if not isinstance(network.remote, MobileNetV2):
            yield from self.shapes("remote", network.remote, (height, width, sent))
        yield from self.fragments(height * width * sent, width)

    def principal_components(self, depth: int, sent: int) -> Iterator[Diagnostic]:
        """Only where nothing overlaps or bends are principal components the first layer's best."""
        extractor = self.spec.network.extractor
        first = extractor[0]
        if not is_linear_block(first):
            yield self.error(
                "network.init",
                f"`init: pca` needs an extractor that begins with a linear block convolution, "
                f"kernel and stride equal and no activation, not with `{format_layer(first)}`",
                "begin it with for example `conv 8 4x4 /4`, or remove `init`",
            )
            return
        wanted = max(sent, self.spec.split.top) if len(extractor) == 1 else first.filters
        found = first.kernel[0] * first.kernel[1] * depth
        if wanted > found:
            yield self.error(
                "network.init",
                f"`init: pca` would need {wanted} principal components, but a block has {found} "
                "values",
                "use fewer filters or larger blocks",
            )

    def layer_error(
        self, part: str, index: int, message: str, hint: str | None = None
    ) -> Diagnostic:
        return self.error(
            f"network.{part}",
            message,
            hint or "the extractor yields a feature map: move this line to `local`",
            self.layer_position(part, index),
        )

    def layer_position(self, part: str, index: int) -> Position | None:
        """Find the source line of layer number `index`, None where a default stands."""
        path = ("network", part)
        text = self.document.data.get("network", {}).get(part)
        if not isinstance(text, str):
            return None
        number = parse_network(text).lines[index]
        line = text.splitlines()[number - 1].split("#")[0].rstrip()
        column = len(line) - len(line.lstrip()) + 1
        return self.document.in_text(path, number, column, len(line) - column + 1)

    def ends(self, part: str, layers: tuple[Layer, ...]) -> Iterator[Diagnostic]:
        last = layers[-1]
        if last != Dense(None):
            hint = (
                "write `dense classes`: the activation must go, for logits are needed"
                if isinstance(last, Dense) and last.units is None
                else "end with `dense classes`; the number of classes comes from the data"
            )
            yield self.layer_error(
                part, len(layers) - 1, f"`network.{part}` must end with `dense classes`", hint
            )

    def shapes(
        self,
        part: str,
        layers: tuple[Layer, ...],
        input_shape: Shape,
        take: Callable[[Shape], None] = lambda shape: None,
    ) -> Iterator[Diagnostic]:
        try:
            take(layer_shapes(layers, input_shape, classes=2)[-1])
        except LayerShapeError as error:
            yield self.layer_error(part, error.index, error.message, error.hint)

    def fragments(self, symbols: int, columns: int) -> Iterator[Diagnostic]:
        """A datagram numbers its fragments in one byte; this many the worst symbols may need."""
        payload = self.spec.payload
        if payload.codec == "context":
            whole = (payload.fragment - _CONTEXT_CLOSING_BYTES) // _CONTEXT_GROUP_BYTES
            rows, groups = divmod(whole, -(-columns // 4))
            held = rows * columns + groups * ((columns - 1) % 4 + 1)
        else:  # LZW at worst spends a code on a symbol
            bits = (payload.levels - 1).bit_length() if payload.codec == "raw" else _LZW_BITS
            held = payload.fragment * 8 // bits
        needed = -(-symbols // max(1, held))
        if needed > _MAX_FRAGMENTS:
            yield self.error(
                "payload.fragment",
                f"{symbols} symbols may need {needed} fragments of {payload.fragment} bytes, and "
                f"at most {_MAX_FRAGMENTS} can be numbered",
                "raise payload.fragment, or use a larger stride in the extractor",
            )
