"""Field types of the spec model: text of the language or a quantity to values, and back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import entry_points
from typing import Annotated, Any, Literal, TypeVar

from pydantic import (
    BeforeValidator,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    PlainSerializer,
    WithJsonSchema,
)
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from agilenn_cc.spec import augmentation, units
from agilenn_cc.spec.language import LanguageError, parse_network, parse_remote
from agilenn_cc.spec.layers import Layer, MobileNetV2, format_layer

_Parsed = TypeVar("_Parsed")


def _quantity(parse: Callable[[object], _Parsed]) -> Callable[[object], _Parsed]:
    def read(value: object) -> _Parsed:
        try:
            return parse(value)
        except units.UnitError as error:
            context = {"message": error.message, "hint": error.hint}
            raise PydanticCustomError("quantity", "{message}", context) from error

    return read


def _language(parse: Callable[[str], Any]) -> Callable[[object], Any]:
    def read(value: object) -> Any:
        if not isinstance(value, str):
            if isinstance(value, tuple | MobileNetV2):
                return value
            raise PydanticCustomError("network_type", "layers are text, one layer a line")
        try:
            return parse(value)
        except LanguageError as error:
            context: dict[str, Any] = {"findings": error.findings}
            raise PydanticCustomError("network", "not in the network language", context) from error

    return read


def _layers_text(layers: tuple[Layer, ...]) -> list[str]:
    return [format_layer(layer) for layer in layers]


def _remote_text(remote: tuple[Layer, ...] | MobileNetV2) -> list[str]:
    if isinstance(remote, MobileNetV2):
        return [f"mobilenetv2 width {remote.width:g}"]
    return _layers_text(remote)


Layers = Annotated[
    tuple[Layer, ...],
    BeforeValidator(_language(lambda text: parse_network(text).layers)),
    PlainSerializer(_layers_text),
    WithJsonSchema({"type": "string", "examples": ["gap\ndense classes\n"]}),
]
"""Layers, written in the network language."""

Remote = Annotated[
    tuple[Layer, ...] | MobileNetV2,
    BeforeValidator(_language(parse_remote)),
    PlainSerializer(_remote_text),
    WithJsonSchema({"type": "string", "examples": ["mobilenetv2 width 1.0"]}),
]
"""Layers, or a network known by name."""

Bytes = Annotated[
    int,
    BeforeValidator(_quantity(units.parse_bytes)),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "integer", "minimum": 1},
                {"type": "string", "pattern": units.BYTES_PATTERN},
            ],
            "examples": ["64 KiB"],
        }
    ),
]
"""A number of bytes: `64 KiB`, `1400`."""

Milliseconds = Annotated[
    float,
    BeforeValidator(_quantity(units.parse_milliseconds)),
    WithJsonSchema({"type": "string", "pattern": units.TIME_PATTERN, "examples": ["50 ms"]}),
]
"""A time in milliseconds: `50 ms`, `0.5 s`."""

Augmentations = Annotated[
    tuple[augmentation.Augmentation, ...] | Literal["auto"],
    BeforeValidator(_quantity(augmentation.parse_augmentation)),
    PlainSerializer(augmentation.format_augmentation),
    WithJsonSchema(
        {
            "anyOf": [
                {"enum": ["auto", "none"]},
                {
                    "type": "array",
                    "uniqueItems": True,
                    "items": {"type": "string", "pattern": augmentation.PATTERN},
                },
            ]
        }
    ),
]
"""Augmentations in the order of their use, or `auto`."""

Image = Annotated[
    tuple[int, int, int],
    BeforeValidator(_quantity(units.parse_image)),
    PlainSerializer(lambda shape: "x".join(map(str, shape))),
    WithJsonSchema({"type": "string", "pattern": units.IMAGE_PATTERN, "examples": ["96x96x3"]}),
]
"""(height, width, channels): `96x96x3`."""

Rates = Annotated[
    tuple[float, ...],
    BeforeValidator(_quantity(units.parse_rates)),
    WithJsonSchema(
        {
            "type": "array",
            "items": {"type": "number", "minimum": 1, "maximum": units.LARGEST_RATE},
            "minItems": 1,
            "maxItems": units.MOST_RATES,
        }
    ),
]
"""Ascending step factors of the quantiser, the first 1: `[1, 1.5, 2.25]`."""

ServerAddress = Annotated[
    str,
    BeforeValidator(_quantity(units.parse_server)),
    WithJsonSchema({"type": "string", "pattern": units.SERVER_PATTERN}),
]
"""host:port."""


@dataclass(frozen=True)
class PluginName:
    """Annotates a text that names one of the built-in plugins of a group or an installed one."""

    group: str
    built_in: tuple[str, ...]

    def names(self) -> tuple[str, ...]:
        """Return the built-in names, then those of other installed plugins, sorted."""
        installed = {point.name for point in entry_points(group=self.group)}
        return self.built_in + tuple(sorted(installed - set(self.built_in)))

    def check(self, name: str) -> str:
        """Refuse a name that no plugin has."""
        names = self.names()
        if name not in names:
            raise PydanticCustomError("plugin", "there is no such plugin", {"names": names})
        return name

    def __get_pydantic_core_schema__(
        self, source: type[Any], handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self.check, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return {**handler(schema), "enum": list(self.names())}
