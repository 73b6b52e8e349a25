"""Measure how long consents take to come in and to decide by.

    python bench/consent.py          # writes bench/results/consent.json

A table of 100,000 works, a row for the composition and one for the master of
each, is read by the plain `csv` module, which is the baseline, then imported
into an empty workspace, then once more (nothing is new), and 100,000
recordings are decided for. Codes are numbered through; nobody is invented.
"""

from __future__ import annotations

import argparse
import csv
import json
import resource
import tempfile
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import TypeVar

from contrafact.catalog import Workspace
from contrafact.core.entities import Recording
from contrafact.core.units import digest_of, recording_id, work_id
from contrafact.rights import Use
from contrafact.workflows.consent import import_consents, open_registry

RESULT = Path(__file__).parent / "results" / "consent.json"
COLUMNS = ("right", "isrc", "iswc", "use", "allowed", "grantor", "territory", "from")
PLACES = ("worldwide", "worldwide -CN -RU", "DE FR GB US")
DAY = date(2026, 1, 1)

_T = TypeVar("_T")


def isrc(number: int) -> str:
    """Return an ISRC for a number below ten million."""
    return f"USXXX{number:07}"


def iswc(number: int) -> str:
    """Return an ISWC for a number, with its check digit."""
    digits = f"{number:09}"
    total = 1 + sum(i * int(d) for i, d in enumerate(digits, start=1))
    return f"T{digits}{(10 - total % 10) % 10}"


def write_table(path: Path, n_works: int) -> None:
    """Write the table: two rows a work."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        for n in range(n_works):
            rest = ("train-generative", "yes", f"Party {n % 97}", PLACES[n % 3])
            begins = f"20{10 + n % 15}-01-01"
            writer.writerow(("composition", "", iswc(n), *rest, begins))
            writer.writerow(("master", isrc(n), "", *rest, begins))


def timed(run: Callable[[], _T]) -> tuple[float, _T]:
    """Return the processor seconds of a call and its result.

    Processor seconds, since others may be using the machine; all of it is one
    thread, so that on an idle machine wall seconds are the same.
    """
    started = time.process_time()
    result = run()
    return time.process_time() - started, result


def read_plainly(path: Path) -> int:
    """Read a table and do nothing with it; return its rows."""
    with path.open(newline="", encoding="utf-8") as file:
        return sum(1 for _ in csv.reader(file))


def recordings(n_works: int) -> list[Recording]:
    """Return one recording of each work, as the catalog would have them."""
    digests = [digest_of(str(n).encode()) for n in range(n_works)]
    return [
        Recording(
            id=recording_id(digest),
            title=f"Recording {n}",
            digest=digest,
            file=f"{n}.flac",
            duration_s=10.0,
            sample_rate=16_000,
            n_channels=1,
            work_id=work_id("", iswc=iswc(n)),
            isrc=isrc(n),
        )
        for n, digest in enumerate(digests)
    ]


def measure(folder: Path, n_works: int) -> dict[str, object]:
    """Return what was measured."""
    table = folder / "consents.csv"
    write_table(table, n_works)
    workspace = Workspace.init(folder / "workspace")
    baseline_s = min(timed(lambda: read_plainly(table))[0] for _ in range(3))
    began = time.perf_counter()
    import_s, report = timed(lambda: import_consents(workspace, [table]))
    import_wall_s = time.perf_counter() - began
    again_s, again = timed(lambda: import_consents(workspace, [table]))
    known = recordings(n_works)
    with open_registry(workspace) as registry:
        decide_s, decisions = timed(
            lambda: registry.decisions(known, use=Use.TRAIN_GENERATIVE, on=DAY)
        )
    allowed = sum(decision.is_allowed for decision in decisions.values())
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {
        "n_works": n_works,
        "n_rows": report.n_new,
        "n_bytes": table.stat().st_size,
        "n_known_again": again.n_known,
        "n_allowed_worldwide": allowed,
        "csv_read_s": round(baseline_s, 3),
        "import_s": round(import_s, 2),
        "import_wall_s": round(import_wall_s, 2),
        "import_again_s": round(again_s, 2),
        "decide_s": round(decide_s, 2),
        "import_over_csv_read": round(import_s / baseline_s, 1),
        "decide_over_csv_read": round(decide_s / baseline_s, 1),
        "peak_memory_mib": round(peak),
    }


def main() -> None:
    """Measure, print, and write the result."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--works", type=int, default=100_000)
    parser.add_argument("--out", type=Path, default=RESULT)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        result = measure(Path(folder), arguments.works)
    text = json.dumps(result, indent=1)
    arguments.out.parent.mkdir(exist_ok=True)
    arguments.out.write_text(text + "\n")
    print(text)


if __name__ == "__main__":
    main()
