"""Write `docs/cli.md` from the commands themselves.

python docs/generate_cli_reference.py           # write the page
python docs/generate_cli_reference.py --check   # fail if it is out of date
"""

from __future__ import annotations

import html
import os
import re
import subprocess
import sys
from pathlib import Path

PAGE = Path(__file__).with_name("cli.md")
NOTE = "<!-- Written by docs/generate_cli_reference.py; do not edit. -->\n\n"


def as_typer_writes_it() -> str:
    """Return typer's own page, the same on every machine."""
    surroundings = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("CONTRAFACT_")
    }
    command = [sys.executable, "-m", "typer", "--app", "app", "contrafact.cli"]
    return subprocess.run(
        [*command, "utils", "docs", "--name", "contrafact", "--title", "Command line"],
        env={**surroundings, "COLUMNS": "80", "NO_COLOR": "1"},
        capture_output=True,
        check=True,
        encoding="utf-8",
    ).stdout


def with_links(page: str) -> str:
    """Replace the shortened summaries of commands by links to their sections."""
    lines, group = [], "contrafact"
    for line in page.splitlines():
        if heading := re.match(r"#+ `(contrafact.*)`$", line):
            group = heading[1]
        if entry := re.match(r"\* `([a-z]+)`: ", line):
            anchor = f"{group} {entry[1]}".replace(" ", "-")
            lines.append(f"* [`{entry[1]}`](#{anchor})")
        else:
            lines.append(line.rstrip())
    return "\n".join(lines)


def reference() -> str:
    """Return the page as it should be."""
    page = with_links(html.unescape(as_typer_writes_it()))
    # An indented block is code only after an empty line.
    page = re.sub(r"^Example:\n(?=    )", "Example:\n\n", page, flags=re.MULTILINE)
    return NOTE + page.strip() + "\n"


def main(*, check: bool) -> None:
    """Write the page, or exit with a message if it is not what it should be."""
    wanted = reference()
    if not check:
        PAGE.write_text(wanted, encoding="utf-8")
    elif not PAGE.exists() or PAGE.read_text(encoding="utf-8") != wanted:
        sys.exit(f"{PAGE.name} is out of date. Run: make reference")


if __name__ == "__main__":
    main(check="--check" in sys.argv[1:])
