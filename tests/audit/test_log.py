from __future__ import annotations

import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from contrafact.audit import LogReader
from contrafact.audit.checking import check_log
from contrafact.audit.entries import parse_time
from contrafact.audit.keys import generate_key, list_keys, load_signer, revoke_key
from contrafact.audit.log import AuditLog
from contrafact.audit.merkle import leaf_hash, verify_consistency, verify_inclusion
from contrafact.audit.notes import parse_checkpoint
from contrafact.core.errors import EntryError, LogDamagedError, SigningKeyError

Open = Callable[..., AuditLog]
Make = Callable[[int], dict[str, Any]]

# One process of several: writes entries one by one and says each number.
WRITER = """
import sys
from pathlib import Path
from contrafact.audit.entries import make_entry
from contrafact.audit.keys import list_keys, load_signer
from contrafact.audit.log import AuditLog
root, keys, name, count = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3], sys.argv[4]
log = AuditLog.open(root, list_keys(keys), signer=load_signer(keys), memory=keys)
for number in range(int(count)):
    entry = make_entry("policy", {"writer": name, "number": number})[0]
    print(log.append(entry), flush=True)
"""


def writer(root: Path, keys: Path, name: str, count: int) -> subprocess.Popen[str]:
    """Start a process that writes entries."""
    command = [sys.executable, "-c", WRITER, str(root), str(keys), name, str(count)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def files(root: Path) -> set[str]:
    """Return the names of a log's tiles, bundles and checkpoint."""
    found = {p.relative_to(root).as_posix() for p in root.rglob("*") if p.is_file()}
    return found - {".lock"}


def test_what_was_appended_comes_back_in_order(open_log: Open, entry: Make) -> None:
    """Across the border of tiles, one by one and in batches."""
    log = open_log()
    assert log.extend([entry(n) for n in range(250)]) == 0
    for number in range(250, 260):
        assert log.append(entry(number)) == number
    assert log.extend([entry(n) for n in range(260, 600)]) == 260
    assert [e.entry["body"]["number"] for e in open_log().entries()] == [*range(600)]
    assert log.entry(255).entry["body"] == {"number": 255}
    assert [e.index for e in log.entries(598)] == [598, 599]
    with pytest.raises(IndexError, match="no entry 600"):
        log.entry(600)


def test_files_lie_where_the_specification_says(open_log: Open, entry: Make) -> None:
    """A log of 257 entries written at once has the five files of tlog-tiles."""
    log = open_log()
    log.extend([entry(n) for n in range(257)])
    assert files(log.root) == {
        "checkpoint",
        "tile/0/000",
        "tile/0/001.p/1",
        "tile/1/000.p/1",
        "tile/entries/000",
        "tile/entries/001.p/1",
    }
    bundle = (log.root / "tile/entries/000").read_bytes()
    first = log.entry(0).data
    assert bundle[:2] == len(first).to_bytes(2, "big")
    assert bundle[2 : 2 + len(first)] == first
    assert (log.root / "tile/0/000").read_bytes()[:32] == leaf_hash(first)


def test_proofs_hold(open_log: Open, entry: Make) -> None:
    """Inclusion of entries, and consistency with every size the log ever had."""
    log = open_log()
    roots = []
    for number in range(20):
        log.append(entry(number))
        roots.append(log.checkpoint().root)
    for number, logged in enumerate(log.entries()):
        place = {"index": number, "size": 20, "root": roots[-1]}
        assert verify_inclusion(logged.leaf, log.inclusion(number), **place)
        proof = log.consistency(number + 1)
        sizes = {"old": number + 1, "new": 20, "proof": proof}
        assert verify_consistency(roots[number], roots[-1], **sizes)
    with pytest.raises(IndexError, match="20 entries, not 21"):
        log.consistency(3, 21)


def test_a_clock_that_went_back_is_recorded(
    open_log: Open, entry: Make, clock: Any
) -> None:
    """The entry is taken, its time does not go back, and it says so."""
    log = open_log()
    log.append(entry(0))
    before = clock.now
    clock.now -= timedelta(days=30)
    log.append(entry(1))
    entries = [logged.entry for logged in log.entries()]
    assert parse_time(entries[1]["time"]) == parse_time(entries[0]["time"]) == before
    assert parse_time(entries[1]["clock"]) < before
    assert "clock" not in entries[0]
    assert check_log(log) == []


def test_entries_that_cannot_be_written_are_refused(
    open_log: Open, entry: Make
) -> None:
    """None of a batch is written if one is too long or has no canonical form."""
    log = open_log()
    for bad in ({**entry(1), "body": {"x": "a" * 70_000}}, {"kind": "policy"}):
        with pytest.raises(EntryError):
            log.extend([entry(0), bad])
    assert log.checkpoint().size == 0


@pytest.mark.parametrize(
    "name", ["tile/entries/001.p/4", "tile/0/001.p/4", "tile/0/000", "checkpoint"]
)
def test_a_missing_file_is_a_truncated_log(
    open_log: Open, entry: Make, name: str
) -> None:
    """It is told which, by a check; at the log's end nothing more is written."""
    log = open_log()
    log.extend([entry(n) for n in range(260)])
    (log.root / name).unlink()
    with pytest.raises(LogDamagedError, match=r"truncated|no log"):
        list(log.entries())
    assert "missing" in str(check_log(log)[0]) or name == "checkpoint"
    if name != "tile/0/000":  # its hash is in the tile above
        with pytest.raises(LogDamagedError):
            open_log().append(entry(260))


@pytest.mark.parametrize("name", ["tile/entries/000", "tile/0/000", "tile/1/000.p/1"])
def test_an_altered_byte_is_named(
    open_log: Open, entry: Make, name: str, rng: Any
) -> None:
    """By the file it is in, and reading what it belongs to is refused."""
    log = open_log()
    log.extend([entry(n) for n in range(257)])
    data = bytearray((log.root / name).read_bytes())
    data[int(rng.integers(len(data)))] ^= 1
    (log.root / name).write_bytes(data)
    (problem,) = check_log(log)
    assert name in f"{problem}"
    if name == "tile/1/000.p/1":  # what the next root is made from
        with pytest.raises(LogDamagedError, match="tiles"):
            log.append(entry(257))
    else:
        with pytest.raises(
            LogDamagedError, match=r"Entry \d+ .* altered|in the middle"
        ):
            list(log.entries())


def test_a_truncated_tile_is_told_apart(open_log: Open, entry: Make) -> None:
    """A tile that ends early is no tile, and a bundle neither."""
    log = open_log()
    log.extend([entry(n) for n in range(5)])
    for name in ("tile/0/000.p/5", "tile/entries/000.p/5"):
        whole = (log.root / name).read_bytes()
        (log.root / name).write_bytes(whole[:-20])
        with pytest.raises(LogDamagedError, match=r"truncated|ends in the middle"):
            log.checkpoint()
        (log.root / name).write_bytes(whole)


def test_a_log_that_was_rolled_back_is_refused(
    open_log: Open, entry: Make, tmp_path: Path
) -> None:
    """The signer remembers how far it was, and what it said."""
    memory = tmp_path / "memory"
    log = open_log(memory=memory)
    log.extend([entry(n) for n in range(3)])
    shutil.copytree(log.root, tmp_path / "old")
    log.append(entry(3))
    newest = log.note()
    shutil.rmtree(log.root)
    shutil.copytree(tmp_path / "old", log.root)
    with pytest.raises(LogDamagedError, match="rolled back"):
        open_log(memory=memory).append(entry(4))
    assert [p.source for p in check_log(log, since=newest)] == ["earlier checkpoint"]
    # Rewritten from there with another entry, it is as long and still another.
    open_log().append(entry(4))
    with pytest.raises(LogDamagedError, match="rolled back or rewritten"):
        open_log(memory=memory).append(entry(5))
    assert check_log(log) == []
    assert [p.source for p in check_log(log, since=newest)] == ["earlier checkpoint"]


def test_a_revoked_key_signs_nothing_more(
    open_log: Open, entry: Make, keys: Path, clock: Any
) -> None:
    """What it signed before counts, what it signs after does not."""
    old = load_signer(keys)
    log = open_log()
    log.append(entry(0))
    revoke_key(keys, old.public_key.id, reason="lost", since=clock.now + timedelta(9))
    assert open_log(signer=old).checkpoint().size == 1
    clock.now += timedelta(days=10)
    with pytest.raises(SigningKeyError, match="revoked"):
        open_log(signer=old).append(entry(1))
    # Whoever has the key signs all the same: nobody believes it.
    log.append(entry(1))
    with pytest.raises(SigningKeyError, match="was revoked"):
        LogReader(log.root, list_keys(keys)).checkpoint()


def test_another_key_goes_on_with_the_log(
    open_log: Open, entry: Make, keys: Path
) -> None:
    """The name of the log stays; the checkpoint is the new key's, of any kind."""
    log = open_log()
    log.append(entry(0))
    origin = log.checkpoint().origin
    new = generate_key(keys, "es256")
    signer = load_signer(keys, new.public_key.id)
    assert open_log(signer=signer).append(entry(1)) == 1
    assert open_log().checkpoint().origin == origin
    assert check_log(LogReader(log.root, list_keys(keys))) == []


def test_a_stranger_is_not_believed(
    open_log: Open, entry: Make, tmp_path: Path
) -> None:
    """A log signed by a key that is not trusted is refused, to read and to write."""
    open_log().append(entry(0))
    generate_key(tmp_path / "others")
    others = list_keys(tmp_path / "others")
    with pytest.raises(SigningKeyError, match="No key that is trusted"):
        LogReader(tmp_path / "log", others).checkpoint()
    with pytest.raises(SigningKeyError, match="not among those trusted"):
        open_log(signer=load_signer(tmp_path / "others")).append(entry(1))


def test_two_writers_lose_nothing(tmp_path: Path, keys: Path) -> None:
    """Two processes at once: every entry of both is there, in its writer's order."""
    root = tmp_path / "log"
    count = 25
    with writer(root, keys, "a", count) as a, writer(root, keys, "b", count) as b:
        told = [int(line) for p in (a, b) for line in p.communicate()[0].split()]
    assert (a.returncode, b.returncode) == (0, 0)
    assert sorted(told) == [*range(2 * count)]
    log = LogReader(root, list_keys(keys))
    bodies = [logged.entry["body"] for logged in log.entries()]
    for name in "ab":
        own = [body["number"] for body in bodies if body["writer"] == name]
        assert own == [*range(count)]
    assert check_log(log) == []


def test_killed_while_appending_nothing_is_half_written(
    tmp_path: Path, keys: Path
) -> None:
    """Killed with SIGKILL again and again: what was told is there, once, and true."""
    root, told, ends = tmp_path / "log", [], set()
    rng = random.Random(5)
    for name in "abc":
        with writer(root, keys, name, 1000) as process:
            assert process.stdout is not None
            lines = [process.stdout.readline() for _ in range(rng.randrange(1, 40))]
            time.sleep(rng.uniform(0, 0.02))
            process.send_signal(signal.SIGKILL)
            lines += process.stdout.readlines()
        ends.add(process.returncode)
        told += [(int(line), name) for line in lines if line.endswith("\n")]
    assert ends == {-signal.SIGKILL}
    log = LogReader(root, list_keys(keys))
    assert check_log(log) == []
    written = [(e.index, e.entry["body"]["writer"]) for e in log.entries()]
    assert set(told) <= set(written)
    # At most one entry a process was written and not yet told of.
    assert len(written) - len(told) <= len("abc")


def test_what_a_killed_process_left_is_swept_away(
    open_log: Open, entry: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tiles beyond the checkpoint are gone after the next entry, wherever it died."""
    log = open_log()
    log.extend([entry(n) for n in range(250)])

    def die(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(AuditLog, "_commit", die)
        with pytest.raises(KeyboardInterrupt):
            log.extend([entry(n) for n in range(1000, 1600)])
    assert (log.root / "tile/0/002").is_file()
    assert log.checkpoint().size == 250
    open_log().append(entry(250))
    assert files(log.root) == {
        "checkpoint",
        "tile/0/000.p/250",
        "tile/0/000.p/251",
        "tile/entries/000.p/250",
        "tile/entries/000.p/251",
    }
    assert [e.entry["body"]["number"] for e in log.entries()] == [*range(251)]


def test_a_new_log_does_not_hide_an_old_one(open_log: Open, entry: Make) -> None:
    """A log without its checkpoint is damaged; it is not started anew."""
    log = open_log()
    log.extend([entry(n) for n in range(256)])
    (log.root / "checkpoint").unlink()
    with pytest.raises(LogDamagedError, match="no checkpoint"):
        open_log()


def test_the_name_of_a_log_is_kept(open_log: Open) -> None:
    """It is given once; a name that a note cannot carry is refused."""
    with pytest.raises(ValueError, match="no blanks"):
        open_log(origin="my log")
    open_log(origin="example.org/log")
    note = open_log(origin="example.org/other").note()
    assert parse_checkpoint(note).origin == "example.org/log"
