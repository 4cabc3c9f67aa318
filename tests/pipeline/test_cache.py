"""The cache: entries are whole or absent, and keys follow content."""

import errno
import shutil
from pathlib import Path

import pytest

from agilenn_cc.cache import Cache, digest, digest_sources
from agilenn_cc.errors import AgilennError, ExitCode


def fill(text: str):
    def produce(folder: Path) -> None:
        (folder / "value").write_text(text)

    return produce


def test_second_request_does_not_produce_again(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    first, cached_first = cache.get("stage", "k" * 64, fill("one"))
    second, cached_second = cache.get("stage", "k" * 64, fill("two"))
    assert (cached_first, cached_second) == (False, True)
    assert first == second
    assert (second / "value").read_text() == "one"


@pytest.mark.parametrize("failure", [RuntimeError, KeyboardInterrupt])
def test_failed_production_leaves_nothing(tmp_path: Path, failure: type[BaseException]) -> None:
    def produce(folder: Path) -> None:
        (folder / "half").write_text("half")
        raise failure

    cache = Cache(tmp_path)
    with pytest.raises(failure):
        cache.get("stage", "key", produce)
    assert list((tmp_path / "stage").iterdir()) == []
    folder, cached = cache.get("stage", "key", fill("whole"))
    assert not cached
    assert (folder / "value").read_text() == "whole"


def test_concurrent_winner_is_kept(tmp_path: Path) -> None:
    cache = Cache(tmp_path)

    def produce(folder: Path) -> None:
        cache.get("stage", "key", fill("winner"))
        (folder / "value").write_text("loser")

    folder, _ = cache.get("stage", "key", produce)
    assert (folder / "value").read_text() == "winner"


def test_unwritable_root_is_the_users_error(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    with pytest.raises(AgilennError) as caught:
        Cache(blocked / "cache").get("stage", "key", fill("x"))
    assert caught.value.exit_code == ExitCode.EXTERNAL
    assert "AGILENN_CACHE" in (caught.value.diagnostics[0].hint or "")


@pytest.mark.parametrize("damage", ["truncate", "remove", "add", "unseal", "file"])
def test_a_damaged_entry_is_produced_anew(tmp_path: Path, damage: str) -> None:
    cache = Cache(tmp_path)
    entry, _ = cache.get("stage", "key", fill("whole"))
    if damage == "truncate":
        (entry / "value").write_text("who")
    elif damage == "remove":
        (entry / "value").unlink()
    elif damage == "add":
        (entry / "more").write_text("more")
    elif damage == "unseal":
        (entry / ".sealed.json").write_text("{")
    else:
        shutil.rmtree(entry)
        entry.write_text("no folder")
    entry, cached = cache.get("stage", "key", fill("again"))
    assert not cached
    assert (entry / "value").read_text() == "again"
    assert cache.get("stage", "key", fill("never"))[1]


@pytest.mark.parametrize("wrapped", [False, True])
def test_a_full_disk_is_told_as_the_caches(tmp_path: Path, wrapped: bool) -> None:
    def produce(folder: Path) -> None:
        full = OSError(errno.ENOSPC, "No space left on device", str(folder))
        if not wrapped:
            raise full
        raise AgilennError.of(ExitCode.EXTERNAL, "emit.unwritable", "choose -o") from full

    with pytest.raises(AgilennError) as caught:
        Cache(tmp_path).get("stage", "key", produce)
    assert caught.value.exit_code == ExitCode.EXTERNAL
    assert caught.value.diagnostics[0].code == "cache.unwritable"
    assert "No space left" in caught.value.diagnostics[0].message
    assert list((tmp_path / "stage").iterdir()) == []


def test_an_error_that_is_not_the_disks_is_passed_on(tmp_path: Path) -> None:
    def produce(_folder: Path) -> None:
        raise FileNotFoundError(errno.ENOENT, "No such file", "data.npz")

    with pytest.raises(FileNotFoundError):
        Cache(tmp_path).get("stage", "key", produce)


def test_digest_ignores_key_order_and_sees_values() -> None:
    assert digest({"a": 1, "b": 2}) == digest({"b": 2, "a": 1})
    assert digest({"a": 1}) != digest({"a": 2})


def test_changed_source_changes_its_digest(tmp_path: Path) -> None:
    source = tmp_path / "room" / "module.py"
    source.parent.mkdir()
    source.write_text("x = 1\n")
    before = digest_sources(tmp_path / "room")
    (source.parent / "__pycache__").mkdir()
    (source.parent / "__pycache__" / "module.pyc").write_text("compiled")
    assert digest_sources(tmp_path / "room") == before
    source.write_text("x = 2\n")
    assert digest_sources(tmp_path / "room") != before
