"""Whole or not at all: writing files, and the words when it fails."""

from __future__ import annotations

import errno
import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from contrafact.catalog import (
    FileStore,
    atomic_path,
    digest_file,
    remove_leftovers,
    storage_errors,
    write_bytes,
    write_json,
)
from contrafact.core.errors import CatalogError, StorageError, UnknownEntityError


@contextmanager
def files_limited_to(n_bytes: int) -> Iterator[None]:
    """Let no file grow beyond `n_bytes`, as on a disk that is full."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_json_is_canonical(tmp_path: Path) -> None:
    """Keys are sorted, text is not escaped, and a newline ends the file."""
    write_json(tmp_path / "deep" / "a.json", {"b": "é", "a": [1]})
    text = (tmp_path / "deep" / "a.json").read_text(encoding="utf-8")
    assert text == '{\n  "a": [\n    1\n  ],\n  "b": "é"\n}\n'


def test_nan_is_not_json(tmp_path: Path) -> None:
    """A NaN is refused and nothing is written."""
    with pytest.raises(ValueError, match="JSON"):
        write_json(tmp_path / "a.json", float("nan"))
    assert list(tmp_path.iterdir()) == []


def test_a_failure_leaves_the_old_file(tmp_path: Path) -> None:
    """If the block raises, the old content stays and no part of the new."""
    write_bytes(tmp_path / "a.txt", b"old")

    def fail_half_way() -> None:
        with atomic_path(tmp_path / "a.txt") as temporary:
            temporary.write_bytes(b"half")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail_half_way()
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"]
    assert (tmp_path / "a.txt").read_bytes() == b"old"


def test_the_temporary_file_keeps_the_suffix(tmp_path: Path) -> None:
    """Writers that look at the suffix see the right one."""
    with atomic_path(tmp_path / "a.npy") as temporary:
        assert temporary.suffix == ".npy"
        temporary.touch()


def test_leftovers_are_removed_and_nothing_else(tmp_path: Path) -> None:
    """What a killed process left goes; files of the user stay."""
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / ".a.tmp-0123456789abcdef.wav").touch()
    (tmp_path / ".hidden.tmp").touch()
    (tmp_path / "a.tmp-0123456789abcdef.wav").touch()
    remove_leftovers(tmp_path)
    left = sorted(p.name for p in tmp_path.rglob("*") if p.is_file())
    assert left == [".hidden.tmp", "a.tmp-0123456789abcdef.wav"]


def test_a_full_disk_is_one_clear_line() -> None:
    """The kernel's own "no space left" becomes a storage error."""
    with (
        pytest.raises(
            StorageError, match=r"Cannot write /dev/full: the disk is full\."
        ),
        storage_errors(Path("/dev/full")),
        open("/dev/full", "wb", buffering=0) as file,
    ):
        file.write(b"x")


def test_a_file_that_cannot_grow_leaves_nothing(tmp_path: Path) -> None:
    """Running out of room in the middle of a file leaves no part of it."""
    with files_limited_to(1_000), pytest.raises(StorageError, match="Cannot write"):
        write_bytes(tmp_path / "a.bin", bytes(5_000))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("number", [errno.EACCES, errno.EROFS, errno.EDQUOT, errno.EIO])
def test_every_reason_gives_one_line(number: int) -> None:
    """Whatever the system says, there is one line that names the place."""
    with pytest.raises(StorageError) as caught, storage_errors(Path("/a/b")):
        raise OSError(number, os.strerror(number))
    assert str(caught.value).startswith("Cannot write /a/b: ")
    assert "\n" not in str(caught.value)


def test_a_file_in_the_way_is_one_clear_line(tmp_path: Path) -> None:
    """Writing below a file fails for everyone, the superuser included."""
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match=r"Cannot write .*file"):
        write_bytes(tmp_path / "file" / "a", b"")


def test_a_file_is_stored_once(tmp_path: Path) -> None:
    """Equal bytes under two names are one file, found by its digest."""
    (tmp_path / "a.WAV").write_bytes(b"bytes")
    (tmp_path / "b.flac").write_bytes(b"bytes")
    store = FileStore(tmp_path / "store")
    digest = store.put(tmp_path / "a.WAV")
    assert store.put(tmp_path / "b.flac") == digest == digest_file(tmp_path / "a.WAV")
    assert store.path(digest) == store.root / digest[:2] / f"{digest}.wav"
    assert len([p for p in store.root.rglob("*") if p.is_file()]) == 1
    assert store.verify(digest)


def test_changed_bytes_are_noticed(tmp_path: Path) -> None:
    """A stored file that was touched no longer verifies."""
    (tmp_path / "a.wav").write_bytes(b"bytes")
    store = FileStore(tmp_path / "store")
    digest = store.put(tmp_path / "a.wav")
    store.path(digest).write_bytes(b"other")
    assert not store.verify(digest)


def test_unknown_and_unreadable_files_are_errors(tmp_path: Path) -> None:
    """What is not stored, and what cannot be read, is said to be so."""
    store = FileStore(tmp_path / "store")
    with pytest.raises(UnknownEntityError, match="Ingest it again"):
        store.path(digest_file(__file__))
    with pytest.raises(CatalogError, match="Cannot read"):
        store.put(tmp_path / "missing.wav")


def test_a_full_store_is_left_whole(tmp_path: Path) -> None:
    """A copy that does not fit leaves no file behind."""
    (tmp_path / "a.wav").write_bytes(bytes(2_000_000))
    store = FileStore(tmp_path / "store")
    with files_limited_to(100_000), pytest.raises(StorageError):
        store.put(tmp_path / "a.wav")
    assert not [p for p in store.root.rglob("*") if p.is_file()]
