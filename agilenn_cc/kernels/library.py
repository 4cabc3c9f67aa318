"""A library of the user's that a kernel calls: what of it goes into the emitted project."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True)
class Library:
    """Headers, static library and licence, by their paths in the project.

    `archive` is the file name of the static library, `lib*.a`; it lies in `folder`, the headers in
    `folder/Include`.
    """

    name: str
    version: str
    folder: str
    archive: str
    files: Mapping[str, bytes]

    def __post_init__(self) -> None:
        object.__setattr__(self, "files", MappingProxyType(dict(sorted(self.files.items()))))

    @property
    def include_folder(self) -> str:
        """The folder that the compiler must search for headers."""
        return f"{self.folder}/Include"

    @property
    def link_name(self) -> str:
        """What follows `-l` on the linker's command line."""
        return self.archive.removeprefix("lib").removesuffix(".a")
