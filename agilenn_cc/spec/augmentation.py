"""The words of `dataset.augmentation`: how training images are varied at random."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

from agilenn_cc.errors import nearest
from agilenn_cc.spec.units import UnitError

PATTERN = r"^(flip|(shift|cutout) [1-9][0-9]*|(brightness|contrast) 0\.[0-9]+)$"
"""Regular expression of one entry of the list."""


@dataclass(frozen=True)
class Flip:
    """Mirrors every other image, left to right."""


@dataclass(frozen=True)
class Shift:
    """Moves an image by up to `pixels` up or down and left or right; its edge is mirrored."""

    pixels: int


@dataclass(frozen=True)
class Brightness:
    """Adds one value to all pixels of an image, up to `amount` of the full scale either way."""

    amount: float


@dataclass(frozen=True)
class Contrast:
    """Multiplies the distance from the image's mean by 1 - `amount` to 1 + `amount`."""

    amount: float


@dataclass(frozen=True)
class Cutout:
    """Paints a square of `pixels` x `pixels` grey (128); its centre lies anywhere in the image."""

    pixels: int


Augmentation: TypeAlias = Flip | Shift | Brightness | Contrast | Cutout

_FORMS: dict[str, tuple[str, Callable[[str], Augmentation]]] = {
    "flip": ("flip", lambda _: Flip()),
    "shift": ("shift N", lambda number: Shift(_pixels("shift", number))),
    "brightness": ("brightness X", lambda number: Brightness(_amount("brightness", number))),
    "contrast": ("contrast X", lambda number: Contrast(_amount("contrast", number))),
    "cutout": ("cutout N", lambda number: Cutout(_pixels("cutout", number))),
}
_HINT = "write a list such as [flip, shift 4, brightness 0.1], or `auto`, or `none`"


def parse_augmentation(value: object) -> tuple[Augmentation, ...] | Literal["auto"]:
    """Read `auto`, `none`, or a list of entries such as `flip` and `shift 4`, in order.

    Raises:
        UnitError: an entry that is unknown, out of range, or given twice.
    """
    if value == "auto":
        return "auto"
    if value == "none":
        return ()
    if isinstance(value, tuple):
        return value
    entries = [value] if isinstance(value, str) else value
    if not isinstance(entries, list):
        raise UnitError(f"`{value}` is no list of augmentations", _HINT)
    found = tuple(_entry(entry) for entry in entries)
    kinds = [type(each) for each in found]
    for entry, kind in zip(entries, kinds, strict=True):
        if kinds.count(kind) > 1:
            raise UnitError(f"`{str(entry).split()[0]}` is given twice", "keep one of them")
    return found


def format_augmentation(value: tuple[Augmentation, ...] | Literal["auto"]) -> list[str] | str:
    """Write augmentations as the spec does, always in the same way."""
    return value if value == "auto" else [_text(each) for each in value]


def _text(entry: Augmentation) -> str:
    word = type(entry).__name__.lower()
    if isinstance(entry, Flip):
        return word
    number = entry.pixels if isinstance(entry, Shift | Cutout) else entry.amount
    return f"{word} {number:g}"


def _entry(entry: object) -> Augmentation:
    words = entry.split() if isinstance(entry, str) else []
    if not words or words[0] not in _FORMS:
        close = nearest(words[0].lower(), tuple(_FORMS)) if words else None
        known = ", ".join(form for form, _ in _FORMS.values())
        hint = f"did you mean `{close}`?" if close else f"the augmentations are: {known}"
        raise UnitError(f"`{entry}` is not an augmentation", hint)
    form, make = _FORMS[words[0]]
    if len(words) != len(form.split()):
        raise UnitError(f"`{entry}` is not complete or too long", f"the form is: {form}")
    return make(words[-1])


def _pixels(word: str, number: str) -> int:
    if not re.fullmatch(r"[0-9]{1,4}", number) or not 1 <= int(number) <= 1024:
        raise UnitError(
            f"`{word} {number}` needs a number of pixels from 1 to 1024", f"write `{word} 4`"
        )
    return int(number)


def _amount(word: str, number: str) -> float:
    if not re.fullmatch(r"[0-9]?\.[0-9]{1,9}", number) or not 0 < float(number) < 1:
        raise UnitError(f"`{word} {number}` needs a number between 0 and 1", f"write `{word} 0.1`")
    return float(number)
