"""Fail where a file or a function has grown too long to read in one go.

The limits are those of CONTRIBUTING.md: no Python file over 400 lines, no
function over 40 lines of code (its docstring, comments and blank lines not
counted; tests may spell out long records), and nothing over 16 MiB.
"""

from __future__ import annotations

import ast
import io
import subprocess
import sys
import tokenize
from collections.abc import Iterator
from pathlib import Path

MAX_FILE_LINES = 400
# An auditor gets one file that needs nothing else; a test holds it to this.
MAX_LINES_OF = {"verify/contrafact_verify.py": 500}
MAX_FUNCTION_LINES = 40
MAX_BYTES = 16 * 2**20

# What is neither code nor an expression of its own.
_LAYOUT = {
    tokenize.COMMENT,
    tokenize.NL,
    tokenize.NEWLINE,
    tokenize.INDENT,
    tokenize.DEDENT,
    tokenize.ENDMARKER,
}

Function = ast.FunctionDef | ast.AsyncFunctionDef


def repository_files() -> list[Path]:
    """Return all files of the repository, and the new ones that git would take."""
    listing = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "-z"],
        capture_output=True,
        check=True,
        text=True,
    )
    paths = (Path(name) for name in listing.stdout.split("\0") if name)
    return [path for path in paths if path.is_file()]


def code_lines(source: str) -> set[int]:
    """Return the numbers of the lines that hold code."""
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    return {
        line
        for token in tokens
        if token.type not in _LAYOUT
        for line in range(token.start[0], token.end[0] + 1)
    }


def body_lines(function: Function, code: set[int]) -> int:
    """Return how many lines of code a function has below its `def`."""
    body = function.body[1:] if ast.get_docstring(function) else function.body
    return sum(
        line in code
        for statement in body
        for line in range(statement.lineno, (statement.end_lineno or 0) + 1)
    )


def python_problems(path: Path) -> Iterator[str]:
    """Yield what is too long in a Python file."""
    source = path.read_text(encoding="utf-8")
    limit = MAX_LINES_OF.get(path.as_posix(), MAX_FILE_LINES)
    if (n := len(source.splitlines())) > limit:
        yield f"{path}: {n} lines, more than {limit}. Split it."
    if path.parts[0] == "tests":
        return
    code = code_lines(source)
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, Function) and (
            (n := body_lines(node, code)) > MAX_FUNCTION_LINES
        ):
            yield (
                f"{path}:{node.lineno}: {node.name} has {n} lines of code, more "
                f"than {MAX_FUNCTION_LINES}. Split it."
            )


def problems(path: Path) -> Iterator[str]:
    """Yield what is too long or too big in a file."""
    if (size := path.stat().st_size) > MAX_BYTES:
        yield f"{path}: {size / 2**20:.0f} MiB, more than {MAX_BYTES // 2**20}."
    if path.suffix == ".py":
        yield from python_problems(path)


if __name__ == "__main__":
    found = [problem for path in repository_files() for problem in problems(path)]
    sys.exit("\n".join(found) or None)
