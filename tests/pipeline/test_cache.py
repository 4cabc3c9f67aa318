"""The cache: entries are whole or absent, and keys follow content."""

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
