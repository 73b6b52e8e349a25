"""How fast are uploads screened, and does memory stay flat?

    python bench/matching/screening.py --audio DIR     # or without: rendered uploads

**Speed**: a minute of each upload is screened against a catalog that holds none of
them, as most uploads of a platform are new; processor time of one process, so that
other work on the machine counts little. A platform of 170,000 uploads a day needs 118
times real time (118 s of audio a second) on two cores. **Memory**: many short uploads
through `screen` with two workers; the resident memory of all processes, now and then.
Writes `results/screening.json`.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import numpy as np
import soundfile

from common import say, write_result
from contrafact.catalog import Workspace
from contrafact.catalog.corpora import CorpusSettings, find_corpus
from contrafact.workflows.evidence_documents import document, read_names
from contrafact.workflows.ingest import ingest
from contrafact.workflows.listening import listen
from contrafact.workflows.match_indexes import open_indexes
from contrafact.workflows.screen import SCREENING, Screening, screen

WANTED = 118.0
SUFFIXES = {".wav", ".flac", ".mp3", ".ogg", ".opus", ".m4a"}


def catalog_of(folder: Path, n_recordings: int) -> Workspace:
    """Return a workspace that knows rendered recordings."""
    workspace = Workspace.init(folder / "screening")
    source = folder / "screening-corpus"
    table = find_corpus("planted").write(
        source, CorpusSettings(n_recordings=n_recordings)
    )
    ingest(workspace, [source], metadata=table)
    open_indexes(workspace, say)
    return workspace


def uploads_of(folder: Path, audio: Path | None, n: int) -> list[Path]:
    """Return uploads of a minute or more, none of them in the catalog."""
    if audio is not None:
        found = sorted(p for p in audio.rglob("*") if p.suffix.lower() in SUFFIXES)
        long = [p for p in found if soundfile.info(p).duration >= 90.0]
        return long[:: max(1, len(long) // n)][:n]
    place = folder / "screening-uploads"
    place.mkdir(exist_ok=True)
    source = folder / "screening-heldout"
    settings = CorpusSettings(n_recordings=16, n_heldout=16, seed=7)
    find_corpus("planted").write(source, settings)
    parts = [soundfile.read(p) for p in sorted(source.glob("heldout/*.flac"))]
    paths = []
    for number in range(n):
        joined = np.concatenate(
            [parts[(number + i) % len(parts)][0] for i in range(12)]
        )
        paths.append(place / f"{number}.mp3")
        soundfile.write(paths[-1], joined, parts[0][1])
    return paths


def speed(workspace: Workspace, uploads: list[Path]) -> dict[str, Any]:
    """Return processor seconds of an upload, and what that is in real time."""
    indexes, names = open_indexes(workspace), read_names(workspace)
    document(listen(uploads[0], indexes, SCREENING), names)
    spent, heard, n_named = [], [], 0
    for number, path in enumerate(uploads):
        started = time.process_time()
        found = listen(path, indexes, SCREENING)
        document(found, names)
        spent.append(time.process_time() - started)
        heard.append(found.end_s - found.start_s)
        n_named += bool(found.recordings or found.works)
        say("uploads", number + 1, len(uploads))
    times = 2 * sum(heard) / sum(spent)
    return {
        "n_uploads": len(uploads),
        "n_recordings_in_catalog": len(indexes.recording_ids),
        "processor_s_an_upload": {
            "mean": round(float(np.mean(spent)), 3),
            "median": round(float(np.median(spent)), 3),
            "p95": round(float(np.quantile(spent, 0.95)), 3),
        },
        "times_real_time_on_two_cores": round(times, 1),
        "wanted": WANTED,
        "n_wrongly_named": n_named,
        "load_average": round(os.getloadavg()[0], 1),
    }


def memory(workspace: Workspace, folder: Path, n: int) -> dict[str, Any]:
    """Return the resident memory of all processes, in MiB, as uploads go by."""
    place = folder / "screening-short"
    place.mkdir(exist_ok=True)
    rng = np.random.default_rng(0)
    for number in range(50):
        noise = 0.1 * rng.standard_normal(24_000)
        soundfile.write(place / f"{number}.wav", noise, 16_000)

    def stream() -> Iterator[Path]:
        for number in range(n):
            yield place / f"{number % 50}.wav" if number % 97 else place / "missing"

    found: dict[int, float] = {}
    marks = {max(16, n * part // 10) for part in range(1, 11)}
    records = screen(workspace, stream(), how=Screening(is_anew=True))
    for number, _ in enumerate(records, 1):
        if number in marks:
            found[number] = round(resident(), 1)
            say("memory", number, n)
    return {"n_uploads": n, "resident_mib": found}


def resident() -> float:
    """Return the resident memory of this process and those it started, in MiB."""
    own = Path("/proc/self")
    children = (own / "task" / str(int(own.resolve().name)) / "children").read_text()
    total = 0
    for pid in ["self", *children.split()]:
        status = Path(f"/proc/{pid}/status").read_text()
        line = next(x for x in status.splitlines() if x.startswith("VmRSS"))
        total += int(line.split()[1])
    return total / 1024


def main() -> None:
    """Measure, print, and write the result."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--folder", type=Path, default=Path("build/bench"))
    parser.add_argument("--audio", type=Path)
    parser.add_argument("--uploads", type=int, default=40)
    parser.add_argument("--recordings", type=int, default=24)
    parser.add_argument("--short", type=int, default=10_000)
    parser.add_argument("--json", action="store_true")
    chosen = parser.parse_args()
    workspace = catalog_of(chosen.folder, chosen.recordings)
    uploads = uploads_of(chosen.folder, chosen.audio, chosen.uploads)
    result = {
        "uploads": "rendered" if chosen.audio is None else "a folder of real music",
        "speed": speed(workspace, uploads),
        "memory": memory(workspace, chosen.folder, chosen.short),
    }
    write_result("screening", result)


if __name__ == "__main__":
    main()
