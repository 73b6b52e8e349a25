"""Measure recognition: every script of this folder, one after the other.

    python bench/matching --audio DIR      # or: contrafact bench matching

Each script takes `--folder`, `--audio` and `--json`, prints what it found, and
writes its file in `bench/results`.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

SCRIPTS = ("fingerprint", "versions", "without_model", "screening")
HERE = Path(__file__).parent


def main() -> None:
    """Run the scripts that are there; fail if one of them does."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--only", nargs="*", choices=SCRIPTS, default=list(SCRIPTS))
    parser.add_argument("--audio", type=Path)
    parser.add_argument("--folder", type=Path, default=Path("build/bench"))
    parser.add_argument("--json", action="store_true")
    chosen = parser.parse_args()
    given = ["--folder", str(chosen.folder)]
    given += ["--audio", str(chosen.audio)] if chosen.audio else []
    given += ["--json"] if chosen.json else []
    found: dict[str, Any] = {}
    for name in chosen.only:
        script = HERE / f"{name}.py"
        if script.exists():
            found[name] = _run(script, given, as_json=chosen.json)
    if chosen.json:
        print(json.dumps(found, indent=2))


def _run(script: Path, given: list[str], *, as_json: bool) -> Any:
    done = subprocess.run(
        [sys.executable, str(script), *given],
        check=False,
        text=True,
        stdout=subprocess.PIPE if as_json else None,
    )
    if done.returncode:
        sys.exit(done.returncode)
    return json.loads(done.stdout) if as_json else None


if __name__ == "__main__":
    main()
