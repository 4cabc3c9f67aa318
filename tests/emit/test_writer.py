"""The writer: only changes, the user's files, all or nothing."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from agilenn_cc.emit import write_tree
from agilenn_cc.emit import writer as writer_module
from agilenn_cc.errors import AgilennError, ExitCode


def _contents(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_writes_what_changed_and_removes_what_is_gone(tmp_path: Path) -> None:
    first = write_tree({"a": b"1", "d/b": b"2", "d/e/c": b"3"}, tmp_path)
    assert first.written == ("a", "d/b", "d/e/c")
    (tmp_path / "own.txt").write_bytes(b"mine")
    stamp = (tmp_path / "a").stat().st_mtime_ns

    second = write_tree({"a": b"1", "d/b": b"two"}, tmp_path)

    assert (second.written, second.unchanged, second.removed) == (("d/b",), ("a",), ("d/e/c",))
    assert (tmp_path / "a").stat().st_mtime_ns == stamp
    assert not (tmp_path / "d/e").exists()
    assert (tmp_path / "own.txt").read_bytes() == b"mine"


def test_the_users_files_are_never_touched(tmp_path: Path) -> None:
    write_tree({"App/main.cpp": b"example", "App/old.cpp": b"old"}, tmp_path)
    (tmp_path / "App/main.cpp").write_bytes(b"my own")

    report = write_tree({"App/main.cpp": b"new example", "App/new.cpp": b"new"}, tmp_path)

    assert report.kept == ("App/main.cpp",)
    assert report.written == ("App/new.cpp",)
    assert (tmp_path / "App/main.cpp").read_bytes() == b"my own"
    assert (tmp_path / "App/old.cpp").read_bytes() == b"old"


@pytest.mark.parametrize("failing_call", range(1, 8))
def test_a_failure_at_any_exchange_leaves_everything_as_it_was(
    failing_call: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "out"
    write_tree({"a": b"1", "b": b"2", "gone": b"3"}, folder)
    before = _contents(folder)
    calls = 0
    real = os.replace

    def failing(source: Path, target: Path) -> None:
        nonlocal calls
        calls += 1
        if calls == failing_call:
            raise OSError(28, "No space left on device", str(target))
        real(source, target)

    monkeypatch.setattr(writer_module.os, "replace", failing)
    with pytest.raises(AgilennError) as caught:
        write_tree({"a": b"one", "b": b"two", "new/c": b"three"}, folder)
    monkeypatch.undo()

    assert caught.value.exit_code == ExitCode.EXTERNAL
    assert _contents(folder) == before
    assert not (folder / "new").exists()
    assert not list(folder.glob(".agilenn-staging-*"))


def test_a_file_in_the_place_of_the_folder_is_explained(tmp_path: Path) -> None:
    (tmp_path / "out").write_bytes(b"I am a file")
    with pytest.raises(AgilennError) as caught:
        write_tree({"a": b"1"}, tmp_path / "out")
    assert caught.value.exit_code == ExitCode.EXTERNAL
    assert "-o" in (caught.value.diagnostics[0].hint or "")


@pytest.mark.parametrize("path", ["/etc/x", "../x", "a/../x", "a//b", "./a"])
def test_paths_stay_inside(path: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="plain relative"):
        write_tree({path: b""}, tmp_path)


def test_a_damaged_listing_removes_nothing(tmp_path: Path) -> None:
    write_tree({"a": b"1", "b": b"2"}, tmp_path)
    (tmp_path / writer_module.LISTING).write_text('{"../../x": "", "b')
    assert write_tree({"a": b"1"}, tmp_path).removed == ()
    assert (tmp_path / "b").exists()
