from __future__ import annotations

import ast
import hashlib
import json
import random
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from contrafact.audit.checking import check_bundle
from contrafact.audit.keys import PublicKey, generate_key, load_signer
from contrafact.audit.merkle import EMPTY_ROOT
from contrafact.audit.notes import Checkpoint, sign_checkpoint

ROOT = Path(__file__).parents[2]
VERIFIER = ROOT / "verify/contrafact_verify.py"
Copy = Callable[..., Path]
MAX_SECONDS = 10


def run(*words: object) -> subprocess.CompletedProcess[str]:
    """Run the verifier as an auditor does: no packages, no settings."""
    command = [sys.executable, "-I", "-S", str(VERIFIER), *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def verdict(*words: object) -> Any:
    """Return what the verifier says, as JSON."""
    done = run(*words, "--json")
    assert done.returncode in (0, 1), done.stderr
    found = json.loads(done.stdout)
    assert found["is_true"] == (done.returncode == 0)
    return found


def alter(path: Path, place: int, rng: random.Random) -> None:
    """Change one byte of a file to another value."""
    data = bytearray(path.read_bytes())
    data[place] ^= rng.randrange(1, 256)
    path.write_bytes(data)


def names_in(root: Path) -> list[str]:
    """Return the names of all files of a bundle."""
    found = (p for p in root.rglob("*") if p.is_file())
    return sorted(p.relative_to(root).as_posix() for p in found)


@pytest.mark.parametrize("algorithm", ["ed25519", "es256"])
def test_the_true_bundle_is_accepted(bundles: dict[str, Path], algorithm: str) -> None:
    """In time, by its own key and by the same key got another way."""
    bundle = bundles[algorithm]
    started = time.monotonic()
    found = verdict(bundle)
    assert time.monotonic() - started < MAX_SECONDS
    assert found["problems"] == []
    assert any("300 entries" in note for note in found["notes"])
    assert any("named in log entries 298" in note for note in found["notes"])
    assert any("grantor of entry [299]" in note for note in found["notes"])
    (key,) = (bundle / "keys").glob("*.pem")
    assert verdict(bundle, "--key", key)["problems"] == []
    assert check_bundle(bundle) == []
    assert check_bundle(bundle, trusted=PublicKey.from_pem(key.read_bytes())) == []


@pytest.mark.parametrize("number", range(20))
def test_any_altered_byte_is_named(copy: Copy, number: int) -> None:
    """A random byte of the bundle: its file is named alone, and the entry of it."""
    rng = random.Random(number)
    bundle = copy(rng.choice(["ed25519", "es256"]))
    sizes = {name: (bundle / name).stat().st_size for name in names_in(bundle)}
    name = rng.choices(list(sizes), list(sizes.values()))[0]
    place = rng.randrange(sizes[name])
    expected = entry_at(bundle, name, place)
    alter(bundle / name, place, rng)
    problems = verdict(bundle)["problems"]
    assert [problem["file"] for problem in problems] == [name]
    assert problems[0]["entry"] == expected
    assert any(name in str(problem) for problem in check_bundle(bundle))


def test_every_file_is_covered(copy: Copy) -> None:
    """One altered byte in each file in turn is blamed on that file, by entry."""
    rng = random.Random(99)
    for file in names_in(copy()):
        bundle = copy()
        place = rng.randrange((bundle / file).stat().st_size)
        expected = entry_at(bundle, file, place)
        alter(bundle / file, place, rng)
        problems = verdict(bundle)["problems"]
        assert [problem["file"] for problem in problems] == [file], file
        assert problems[0]["entry"] == expected


def entry_at(bundle: Path, name: str, place: int) -> str:
    """Return what the verifier shall call the part of a file at a byte."""
    data = (bundle / name).read_bytes()
    if match := re.fullmatch(r"log/tile/(entries|0)/(\d+)(?:\.p/\d+)?", name):
        number = place // 32
        if match[1] == "entries":
            number, end = -1, 0
            while end <= place:
                end += 2 + int.from_bytes(data[end : end + 2], "big")
                number += 1
        return f"entry {int(match[2]) * 256 + number}"
    line = data[:place].count(10)
    parts = {
        "000.p/1": f"entries from {place // 32 * 256}, 256 of them",
        "manifest.jsonl": f"entry {line}",
        "leaves.bin": f"entry {place // 32}",
        ".tlog-proof": "entry 298",
        "SHA256SUMS": f"line {line + 1}",
    }
    # Of all others the whole file is what was altered.
    return next((part for end, part in parts.items() if name.endswith(end)), "")


@pytest.mark.parametrize(
    "name", ["log/tile/0/001.p/44", "manifests", "keys", "SHA256SUMS.sig"]
)
def test_what_is_missing_is_named(copy: Copy, name: str) -> None:
    """A file, a folder, the signature itself."""
    bundle = copy()
    if (bundle / name).is_dir():
        shutil.rmtree(bundle / name)
    else:
        (bundle / name).unlink()
    problems = verdict(bundle)["problems"]
    assert any(problem["file"].startswith(name[:12]) for problem in problems)
    assert check_bundle(bundle)


def test_what_was_added_is_named(copy: Copy) -> None:
    """A file that nobody signed."""
    bundle = copy()
    (bundle / "proofs/extra.json").write_text("{}")
    (problem,) = verdict(bundle)["problems"]
    assert problem["file"] == "proofs/extra.json"
    assert check_bundle(bundle)


def sealed_again(bundle: Path, keys: Path) -> None:
    """Write the sums anew and sign them with a key of this folder."""
    signer = load_signer(keys)
    own = {"SHA256SUMS", "SHA256SUMS.sig", "bundle.json"}
    names = [name for name in names_in(bundle) if name not in own]
    sums = [hashlib.sha256((bundle / name).read_bytes()).hexdigest() for name in names]
    lines = [f"{sum_}  {name}\n" for sum_, name in zip(sums, names, strict=True)]
    text = "".join(lines).encode()
    signature = signer.sign(text)
    index = {
        "format": 1,
        "key": signer.public_key.id,
        "sums": hashlib.sha256(text).hexdigest(),
        "signature": hashlib.sha256(signature).hexdigest(),
    }
    (bundle / "SHA256SUMS").write_bytes(text)
    (bundle / "SHA256SUMS.sig").write_bytes(signature)
    plain = json.dumps(index, sort_keys=True, separators=(",", ":"))
    (bundle / "bundle.json").write_text(plain + "\n")


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("log/tile/entries/000", b'"number":7}', b'"number":8}'),
        ("log/tile/entries/001.p/44", b'"kind":"consent"', b'"kind":"comment"'),
        ("manifests/*/manifest.jsonl", b"C-3", b"C-4"),
        ("proofs/in.json", b"W-0004", b"W-0006"),
        ("proofs/out.json", b'"non-inclusion"', b'"inclusion"'),
        ("proofs/entry-298.tlog-proof", b"index 298", b"index 297"),
        ("releases/r1/config.json", b"7", b"8"),
        ("releases/r1/release.json", b'"sig": "', b'"sig": "AAAA'),
        ("reveals/*.json", b"Ann", b"Bob"),
        ("reveals/*.json", b'"salt":"', b'"salt":"xyz'),
        ("proofs/out.json", b'"leaves"', b'"trees"'),
        ("proofs/out.json", b"{", b"["),
        ("log/checkpoint", b"\n300\n", b"\n299\n"),
    ],
)
def test_sums_made_anew_by_the_holder_of_the_key_do_not_help(
    copy: Copy, bundles: dict[str, Path], name: str, old: bytes, new: bytes
) -> None:
    """What is inside is checked for itself: log, proofs, statements, reveals."""
    bundle = copy()
    (path,) = bundle.glob(name)
    data = path.read_bytes()
    assert old in data
    path.write_bytes(data.replace(old, new, 1))
    sealed_again(bundle, bundles["ed25519"].parent / "keys")
    assert verdict(bundle)["problems"]
    assert check_bundle(bundle)


@pytest.mark.parametrize("kept", [[], [0], [1], [1, 0], [0, 0]])
def test_an_absence_needs_both_neighbours(
    copy: Copy, bundles: dict[str, Path], kept: list[int]
) -> None:
    """One of them alone, or none, or one of them twice, shows nothing."""
    bundle = copy()
    proof = json.loads((bundle / "proofs/out.json").read_text())
    proof["leaves"] = [proof["leaves"][number] for number in kept]
    (bundle / "proofs/out.json").write_text(json.dumps(proof))
    sealed_again(bundle, bundles["ed25519"].parent / "keys")
    files = [problem["file"] for problem in verdict(bundle)["problems"]]
    # Two true neighbours show the same in whatever order they come.
    assert files == ([] if kept == [1, 0] else ["proofs/out.json"])


@pytest.mark.parametrize("name", ["tile/0/000", "tile/1/000.p/1", "tile/0/002"])
def test_tiles_are_those_of_the_entries_whoever_signed(
    copy: Copy, bundles: dict[str, Path], name: str
) -> None:
    """An altered one and one too many are named, though the sums fit."""
    bundle = copy()
    path = bundle / "log" / name
    data = path.read_bytes() if path.exists() else bytes(32)
    path.write_bytes(bytes([data[0] ^ 1]) + data[1:])
    sealed_again(bundle, bundles["ed25519"].parent / "keys")
    files = [problem["file"] for problem in verdict(bundle)["problems"]]
    assert files == [f"log/{name}"]


def test_a_bundle_signed_anew_by_a_stranger_needs_the_true_key(
    copy: Copy, bundles: dict[str, Path], tmp_path: Path
) -> None:
    """With the owner's key at hand, one that was made over is refused."""
    bundle = copy()
    record = generate_key(tmp_path / "stranger")
    sealed_again(bundle, tmp_path / "stranger")
    (key,) = (bundles["ed25519"] / "keys").glob("*.pem")
    assert verdict(bundle, "--key", key)["problems"]
    assert verdict(bundle)["problems"]
    trusted = PublicKey.from_pem(key.read_bytes())
    assert check_bundle(bundle, trusted=trusted)
    other = tmp_path / "stranger" / f"{record.public_key.id}.pub.pem"
    assert verdict(bundle, "--key", other)["problems"]


def test_an_earlier_checkpoint_is_held_to(
    bundles: dict[str, Path], tmp_path: Path
) -> None:
    """The same log passes; one of another history, or of another key, does not."""
    bundle = bundles["ed25519"]
    same = bundle / "log/checkpoint"
    assert verdict(bundle, "--since", same)["problems"] == []
    other = bundles["es256"] / "log/checkpoint"
    assert verdict(bundle, "--since", other)["problems"]
    signer = load_signer(bundle.parent / "keys")
    (tmp_path / "elsewhere").write_bytes(
        sign_checkpoint(Checkpoint("example.org/other", 0, EMPTY_ROOT), signer)
    )
    problems = verdict(bundle, "--since", tmp_path / "elsewhere")["problems"]
    assert "not of this log" in problems[0]["message"]
    (tmp_path / "none").write_text("nothing")
    assert run(bundle, "--since", tmp_path / "none").returncode in (1, 2)


def test_it_says_when_it_cannot_tell(tmp_path: Path) -> None:
    """No bundle, no key: exit code 2 and one line."""
    (tmp_path / "no.pem").write_text("no key")
    for words in ([tmp_path], [tmp_path, "--key", tmp_path / "no.pem"]):
        done = run(*words)
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr.startswith("cannot tell: ")


def test_it_stands_alone() -> None:
    """At most 500 lines, and nothing but the standard library."""
    text = VERIFIER.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 500
    modules = {
        (node.module if isinstance(node, ast.ImportFrom) else alias.name).split(".")[0]
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    }
    assert modules <= set(sys.stdlib_module_names)


def test_sums_and_signature_are_checked_by_standard_tools(copy: Copy) -> None:
    """By `sha256sum` and `openssl`, as the bundle's README says."""
    bundle = copy()
    sums = ["sha256sum", "--check", "--quiet", "SHA256SUMS"]
    (key,) = (bundle / "keys").glob("*.pem")
    openssl = ["openssl", "pkeyutl", "-verify", "-pubin", "-inkey", str(key)]
    openssl += ["-rawin", "-in", "SHA256SUMS", "-sigfile", "SHA256SUMS.sig"]
    for command in (sums, openssl):
        done = subprocess.run(command, cwd=bundle, capture_output=True, check=False)
        assert done.returncode == 0, command


def test_a_checkpoint_is_checked_by_standard_tools(copy: Copy) -> None:
    """By the shell commands of docs/audit.md, as they stand there."""
    bundle = copy()
    (key,) = (bundle / "keys").glob("*.pem")
    shutil.copy(key, bundle.parent / "owner.pem")
    page = (ROOT / "docs/audit.md").read_text(encoding="utf-8")
    by_hand = page.partition("### With `sha256sum` and `openssl`")[2]
    commands = re.findall(r"^\$ (.*)$", by_hand, re.MULTILINE)
    script = "set -e\n" + "\n".join(commands[1:])
    done = subprocess.run(
        ["bash", "-c", script],
        cwd=bundle,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("Signature Verified Successfully") == 2
    *_, computed, stored = done.stdout.split("\n")
    assert computed.split()[0] == stored
