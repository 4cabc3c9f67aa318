"""Finds a CMSIS-NN that the user has built, checks it, and collects what a project needs of it.

Building the library is the user's part: which sources and flags it wants is CMSIS-NN's own affair
and differs between its releases.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path

from agilenn_cc.errors import AgilennError, Diagnostic, ExitCode
from agilenn_cc.kernels.cmsis_nn.archive import Archive, read_archive
from agilenn_cc.kernels.cmsis_nn.checkout import FUNCTIONS, find_checkout
from agilenn_cc.kernels.library import Library
from agilenn_cc.targets import Target

NAME = "CMSIS-NN"
ARCHIVE = "libcmsis-nn.a"
FOLDER = f"Libraries/{NAME}"
_API = "arm_nnfunctions.h"
_LICENCES = ("LICENSE", "LICENSE.txt", "LICENSE.md")
_INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*"([^"]+)"', re.MULTILINE)


def find_library(target: Target, path: Path | None = None) -> Library | None:
    """Return what a project for `target` needs of the CMSIS-NN at `path`, else at `CMSIS_NN_PATH`.

    None if neither is given. The folder has the headers in `Include`, the licence, and anywhere
    below it the static library, `libcmsis-nn.a`.

    Raises AgilennError: exit code 7 if one of them is missing or cannot be read, 4 if the API is
    another, if a function is missing or if no static library was built for the target.
    """
    checkout = find_checkout(path)
    if checkout is None:
        return None
    licence = _licence(checkout.path)
    archive = _fitting(_archives(checkout.path, target), checkout.path, target)
    _require_functions(archive, checkout.version)
    headers = _headers(checkout.include)
    return Library(
        NAME,
        checkout.version,
        FOLDER,
        ARCHIVE,
        {
            f"{FOLDER}/{licence.name}": licence.read_bytes(),
            f"{FOLDER}/{ARCHIVE}": archive.content,
            **{f"{FOLDER}/Include/{name}": content for name, content in headers.items()},
        },
    )


def _licence(path: Path) -> Path:
    for name in _LICENCES:
        if (path / name).is_file():
            return path / name
    raise AgilennError.of(
        ExitCode.EXTERNAL,
        "kernels.cmsis-nn-licence",
        f"there is no licence at '{path}': it must go into the project with the library",
        hint="name the root of a checkout or pack, which has a file LICENSE",
    )


def _archives(path: Path, target: Target) -> list[Archive]:
    found = sorted(
        Path(folder) / ARCHIVE for folder, _folders, files in os.walk(path) if ARCHIVE in files
    )
    if not found:
        raise AgilennError.of(
            ExitCode.EXTERNAL,
            "kernels.cmsis-nn-unbuilt",
            f"there is no {ARCHIVE} below '{path}'",
            hint=f"{_how_to_build(target)}; docs/kernels.md says why it is yours to build",
        )
    return [read_archive(file) for file in found]


def _how_to_build(target: Target) -> str:
    flags = " ".join(target.compiler_flags)
    return f"build the library by CMSIS-NN's own CMakeLists.txt, for {flags}, into this folder"


def _fitting(archives: Iterable[Archive], path: Path, target: Target) -> Archive:
    """Return the archive for a target; those of its core's own architecture come first."""
    misfits = {archive: archive.misfit(target) for archive in archives}
    fitting = [archive for archive, reason in misfits.items() if reason is None]
    own = [a for a in fitting if all(each.is_own(target) for each in a.architectures)]
    chosen = own or fitting
    if not chosen:
        raise AgilennError(
            ExitCode.UNSUPPORTED,
            [
                Diagnostic(
                    "kernels.cmsis-nn-architecture",
                    f"{archive.path} does not fit {target.name}: {reason}",
                    hint=_how_to_build(target),
                )
                for archive, reason in misfits.items()
            ],
        )
    if len({archive.content for archive in chosen}) > 1:
        names = ", ".join(str(archive.path.relative_to(path)) for archive in chosen)
        raise AgilennError.of(
            ExitCode.EXTERNAL,
            "kernels.cmsis-nn-several",
            f"several {ARCHIVE} below '{path}' fit {target.name}: {names}",
            hint="leave one of them there",
        )
    return chosen[0]


def _require_functions(archive: Archive, version: str) -> None:
    missing = [name for name in FUNCTIONS if name not in archive.defines]
    if missing:
        raise AgilennError(
            ExitCode.UNSUPPORTED,
            [
                Diagnostic(
                    "kernels.cmsis-nn-function",
                    f"CMSIS-NN {version}: {archive.path} does not define {name}",
                    hint="build the whole library, from the same release as its headers, no LTO",
                )
                for name in missing
            ],
        )


def _headers(include: Path) -> dict[str, bytes]:
    """Return the API's header and all that it includes, by their paths below `Include`.

    What is not there is a header of the compiler, or of a variant that is not compiled.
    """
    root = include.resolve()
    headers: dict[str, bytes] = {}
    wanted = [root / _API]
    while wanted:
        file = wanted.pop()
        name = file.relative_to(root).as_posix()
        if name in headers:
            continue
        headers[name] = file.read_bytes()
        for included in _INCLUDE.findall(headers[name].decode("utf-8", errors="replace")):
            places = ((folder / included).resolve() for folder in (file.parent, root))
            wanted += [p for p in places if p.is_file() and p.is_relative_to(root)][:1]
    return headers
