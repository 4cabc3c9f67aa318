"""The rules of docs/architecture.md that a machine can check: who imports whom, and what for."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parent.parent / "agilenn_cc"
BASE = {"errors", "plugins", "resources", "render", "cache", "builds", "doctor"}
LEARNING = {"ir", "spec", "targets", "data"}
ALLOWED = {
    "ir": set(),
    "spec": set(),
    "targets": set(),
    "data": {"spec"},
    "learn": LEARNING,
    "quantise": LEARNING | {"learn"},
    "kernels": {"ir", "targets"},
    "passes": {"ir", "targets", "kernels"},
    "serve": set(),
    "codec": {"serve"},
    "emit": {"ir", "spec", "targets", "passes", "kernels", "codec", "serve"},
    "emulator": {"targets"},
    "verify": {"ir", "targets", "passes", "kernels", "emulator"},
    "report": {"ir", "targets", "passes", "kernels", "emulator", "verify", "spec"},
}


def modules() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def room(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports(path: Path) -> Iterator[str]:
    """Yield the absolute names of the modules that a file imports, wherever it does so."""
    package = path.relative_to(PACKAGE.parent).with_suffix("").parts[:-1]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else ()
            name = ".".join((*above, *(node.module or "").split("."))).rstrip(".")
            yield name
            yield from (f"{name}.{alias.name}" for alias in node.names)


def rooms_imported(path: Path) -> set[str]:
    names = (name.split(".") for name in imports(path))
    inside = {name[1] for name in names if name[0] == "agilenn_cc" and len(name) > 1}
    return {name for name in inside if (PACKAGE / name).is_dir()} - {room(path)}


@pytest.mark.parametrize("name", sorted(ALLOWED))
def test_a_room_imports_only_rooms_before_it(name: str) -> None:
    for path in modules():
        if room(path) == name:
            assert rooms_imported(path) <= ALLOWED[name], path


def test_every_room_is_in_the_table() -> None:
    rooms = {room(path) for path in modules()} - BASE - {"__init__", "cli", "pipeline", "reproduce"}
    assert rooms == set(ALLOWED)


def test_the_server_needs_nothing_of_the_package() -> None:
    for path in modules():
        if room(path) == "serve":
            names = {name for name in imports(path) if name.startswith("agilenn_cc")}
            assert all(name.startswith("agilenn_cc.serve") for name in names), path


def test_tensorflow_stays_where_training_is() -> None:
    for path in modules():
        if room(path) not in ("learn", "quantise", "serve"):
            found = {name.split(".")[0] for name in imports(path)}
            assert not found & {"tensorflow", "tf_keras"}, path


def test_click_commands_live_in_cli_alone() -> None:
    for path in modules():
        if room(path) not in ("cli", "render"):
            assert "click" not in {name.split(".")[0] for name in imports(path)}, path


def test_every_file_says_what_it_is_for() -> None:
    for path in modules():
        assert ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))), path
