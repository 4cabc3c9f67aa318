"""Reads `targets/*.yaml` into Target values."""

from __future__ import annotations

from functools import cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from agilenn_cc.errors import AgilennError, Diagnostic, ExitCode, Position, nearest
from agilenn_cc.plugins import load_plugin
from agilenn_cc.resources import targets_dir

from .model import Target

GROUP: Final = "agilenn_cc.targets"


def load_target(name_or_alias: str) -> Target:
    """Return the board of that name or alias, or the one described by a YAML file at that path.

    Raises AgilennError (spec) if there is none or if the description contradicts itself.
    """
    if name_or_alias.endswith((".yaml", ".yml")):
        return _read_target(Path(name_or_alias))
    known: dict[str, Target] = {}
    for target in list_targets():
        known.update(dict.fromkeys((target.name, *target.aliases), target))
    if name_or_alias not in known:
        close = nearest(name_or_alias, known)
        raise AgilennError.of(
            ExitCode.USAGE,
            "target.unknown",
            f"there is no target '{name_or_alias}'",
            hint=(f"did you mean '{close}'? " if close else "")
            + "known: "
            + ", ".join(sorted(known)),
        )
    return known[name_or_alias]


@cache
def list_targets() -> tuple[Target, ...]:
    """Return all targets by name: built-in ones and those of installed packages.

    An entry point of the group `agilenn_cc.targets` names a Target or a folder of board
    descriptions (`pathlib.Path`); what a package calls like a built-in target replaces it. Raises
    AgilennError (external) if a package's entry cannot be loaded or is neither.
    """
    known = {target.name: target for target in _read_folder(targets_dir())}
    for point in sorted(entry_points(group=GROUP), key=lambda point: point.name):
        known.update({target.name: target for target in _installed(point)})
    return tuple(known[name] for name in sorted(known))


def _read_folder(folder: Path) -> tuple[Target, ...]:
    return tuple(_read_target(path) for path in sorted(folder.glob("*.yaml")))


def _installed(point: EntryPoint) -> tuple[Target, ...]:
    loaded = load_plugin(point, "target")
    if isinstance(loaded, Target):
        return (loaded,)
    if isinstance(loaded, Path):
        return _read_folder(loaded)
    raise AgilennError.of(
        ExitCode.EXTERNAL,
        "target.plugin",
        f"the target '{point.name}' ({point.value}) is neither a Target nor a folder",
        hint=f"repair or uninstall the package that provides {point.value}",
    )


def _read_target(path: Path) -> Target:
    content = _read_mapping(path)
    mcu = content.get("mcu")
    if isinstance(mcu, str):
        # A board beside its own mcu/ folder may bring a microcontroller that is not built in.
        folders = (path.parent / "mcu", targets_dir() / "mcu")
        files = [folder / f"{mcu}.yaml" for folder in folders]
        found = next((file for file in files if file.is_file()), None)
        if found is None:
            known = sorted(file.stem for folder in folders for file in folder.glob("*.yaml"))
            raise AgilennError.of(
                ExitCode.SPEC,
                "target.unknown-mcu",
                f"{path.name}: there is no microcontroller '{mcu}'",
                hint="known: " + ", ".join(known) + "; or write its description under 'mcu:'",
            )
        content["mcu"] = {"name": mcu, **_read_mapping(found)}
    try:
        return Target.model_validate(content)
    except ValidationError as error:
        diagnostics = tuple(
            Diagnostic(
                "target.invalid",
                ".".join(map(str, ("", *item["loc"])))[1:] + ": " + item["msg"]
                if item["loc"]
                else item["msg"],
                Position(str(path), 1, 1),
                "the reference is targets/stm32f746g-disco.yaml",
            )
            for item in error.errors()
        )
        raise AgilennError(ExitCode.SPEC, diagnostics) from error


def _read_mapping(path: Path) -> dict[str, Any]:
    try:
        content = YAML(typ="safe").load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise AgilennError.of(
            ExitCode.SPEC,
            "target.unreadable",
            f"cannot read {path}: {error.strerror}",
            hint="name a built-in target (agilenn-cc targets) or an existing YAML file",
        ) from error
    except (YAMLError, UnicodeDecodeError) as error:
        raise AgilennError.of(
            ExitCode.SPEC, "target.syntax", f"{path} is no valid YAML: {error}"
        ) from error
    if not isinstance(content, dict):
        raise AgilennError.of(ExitCode.SPEC, "target.syntax", f"{path} holds no mapping")
    return content
