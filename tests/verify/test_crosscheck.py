"""Logs and proofs held to the implementation of the Go authors, where Go is."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from contrafact.audit.keys import PublicKey
from contrafact.audit.notes import key_hash

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "verify/crosscheck"
PACKAGED = Path("/usr/share/gocode")
Tool = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def tool(tmp_path_factory: pytest.TempPathFactory) -> Tool:
    """Return a function that runs the tool, built from the packaged module."""
    if shutil.which("go") is None or not (PACKAGED / "src/golang.org/x/mod").is_dir():
        pytest.skip("needs Go and the package golang-golang-x-mod-dev")
    folder = tmp_path_factory.mktemp("go")
    settings = {"GO111MODULE": "off", "GOPATH": str(PACKAGED), "GOFLAGS": ""}
    settings |= {"GOCACHE": str(folder / "cache"), "HOME": str(folder)}
    binary = folder / "crosscheck"
    subprocess.run(
        ["go", "build", "-o", str(binary), str(SOURCE / "main.go")],
        env={**os.environ, **settings},
        check=True,
    )

    def run(*words: object) -> subprocess.CompletedProcess[str]:
        command = [str(binary), *map(str, words)]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    return run


@pytest.mark.slow
def test_the_log_and_its_proofs_are_true_to_go(
    copy: Callable[..., Path], tool: Tool
) -> None:
    """Note, tiles, every entry, every consistency and our proof files."""
    bundle = copy()
    log = bundle / "log"
    for proof in (bundle / "proofs").glob("*.tlog-proof"):
        shutil.copy(proof, log)
    (pem,) = (bundle / "keys").glob("*.pem")
    key, name = PublicKey.from_pem(pem.read_bytes()), "example.org/log"
    encoded = base64.b64encode(b"\x01" + key.raw).decode()
    vkey = f"{name}+{key_hash(name, key).hex()}+{encoded}"
    done = tool("log", log, vkey)
    assert done.stdout == f"{name}: 300 entries, 1 proof files: all true\n", done.stderr
    tile = log / "tile/0/001.p/44"
    data = bytearray(tile.read_bytes())
    data[40] ^= 1
    tile.write_bytes(data)
    assert tool("log", log, vkey).returncode != 0


@pytest.mark.slow
def test_the_golden_proofs_are_what_go_says(tool: Tool) -> None:
    """The file that the fast tests compare with is the tool's own output."""
    golden = ROOT / "tests/audit/golden/tlog.json"
    assert json.loads(tool("vectors").stdout) == json.loads(golden.read_text())
