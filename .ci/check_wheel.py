"""Check that the built wheel is whole: its data, its licence, its command.

    python .ci/check_wheel.py DIRECTORY

The wheel is unpacked, and the light packages are imported from there, not from
the checkout; nothing is installed.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

SOURCE = Path("src")
LICENCES = ("LICENSE", "NOTICE")
IMPORT = """
import sys
import contrafact, contrafact.catalog, contrafact.core, contrafact.reports
assert contrafact.__file__.startswith(sys.argv[1]), contrafact.__file__
assert "torch" not in sys.modules, "importing the light packages imported torch"
"""


def source_files() -> set[str]:
    """Return what the package consists of, relative to `src`."""
    listing = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "-z", str(SOURCE)],
        capture_output=True,
        check=True,
        text=True,
    )
    found = [Path(name) for name in listing.stdout.split("\0") if name]
    return {str(path.relative_to(SOURCE)) for path in found if path.is_file()}


def newest_wheel(directory: Path) -> Path:
    """Return the wheel that was built last."""
    wheels = sorted(directory.glob("contrafact-*.whl"), key=os.path.getmtime)
    if not wheels:
        sys.exit(f"No wheel in {directory}. Run make wheel.")
    return wheels[-1]


def check_content(names: set[str]) -> None:
    """Exit unless the wheel holds every source file, the licences and a command."""
    ends = {name.partition(".dist-info/")[2] for name in names}
    missing = source_files() - names
    missing |= {name for name in LICENCES if f"licenses/{name}" not in ends}
    missing |= {"entry_points.txt"} - ends
    if missing:
        sys.exit(f"The wheel lacks: {', '.join(sorted(missing))}.")


def main(directory: Path) -> None:
    """Check the newest wheel in a directory."""
    wheel = newest_wheel(directory)
    with zipfile.ZipFile(wheel) as archive, tempfile.TemporaryDirectory() as unpacked:
        check_content(set(archive.namelist()))
        archive.extractall(unpacked)
        environment = {**os.environ, "PYTHONPATH": unpacked}
        command = [sys.executable, "-c", IMPORT, unpacked]
        if subprocess.run(command, env=environment, check=False).returncode:
            sys.exit(f"{wheel} cannot be used.")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
