"""Measure fingerprint matches: what is found again, and what is taken for another.

    python bench/matching/fingerprint.py [--audio DIR]

The catalog: works rendered with one soundfont, and two thirds of the recordings
below DIR. Queries of 5 to 10 s: of the catalog, transformed; of works outside
it; of other performances of its works, by the same ensemble with other timing,
by another, and by another with the very same timing. Half of the works are for
choosing settings (`--half tune`), the other half is reported. Beside it, in the
same run, Chromaprint (`fpcalc`) at every offset, with its own threshold and with
one that holds false matches at 1 %.
"""

from __future__ import annotations

import argparse
import itertools
import json
import platform
import shutil
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import soxr
from asking import OTHERS, Asked, Pieces, answers
from chromaprint import OWN_THRESHOLD, Chromaprints, is_installed
from queries import MIX, UNKNOWN_MIX, Query
from recordings import RATE, Piece, read_piece, real_pieces, rendered_pieces
from transforms import TRANSFORMS, Transform
from yardstick import measured, summary_of

from contrafact.catalog.audio import read_audio
from contrafact.core.matches import RecordingMatch
from contrafact.matching.fingerprint import SAMPLE_RATE, FingerprintIndex

RESULT = Path(__file__).parents[1] / "results" / "matching-fingerprint.json"
KEPT = Path("build/bench")
N_WORKS = 420
MAX_FALSE_MATCH = 0.01
_PEER_ONE_IN = 3
_COPY = 0.15  # of bits differ at most between copies; unrelated ones: above 0.4
Json = dict[str, Any]


def gather(audio: Path | None, kept: Path, half: str) -> Pieces:
    """Return the recordings, rendered or decoded once to `kept`."""
    rendered = rendered_pieces(kept / "rendered", n_works=N_WORKS)
    real = real_pieces(audio, kept / "real") if audio else []
    stems = dict.fromkeys(p.id.partition("-")[0] for p in rendered)
    place = {stem: i for i, stem in enumerate(stems)}
    number = {p.id: place[p.id.partition("-")[0]] for p in rendered}
    real_number = {w: i for i, w in enumerate(dict.fromkeys(p.work for p in real))}
    wanted = 0 if half == "tune" else 1

    def is_mine(piece: Piece) -> bool:
        if piece.id in number:
            return number[piece.id] // 4 % 2 == wanted
        return real_number[piece.work] % 2 == wanted

    inside = [p for p in rendered if number[p.id] % 4 != 2]
    first = [p for p in inside if p.take == 0]
    outside = [p for p in rendered if number[p.id] % 4 == 2]
    known = [p for p in real if real_number[p.work] % 3]
    unknown = [p for p in real if real_number[p.work] % 3 == 0]
    works = {p.work for p in (*first, *known)}
    others = {"other work": [p for p in (*outside, *unknown) if p.work not in works]}
    others |= {f"take {t}": [p for p in inside if p.take == t] for t in (1, 2, 3)}
    return Pieces(
        catalog=[*first, *known],
        asked=[p for p in (*first, *known) if is_mine(p)],
        others={k: [p for p in v if is_mine(p)] for k, v in others.items()},
    )


def leave_out_copies(pieces: Pieces, peer: Chromaprints) -> list[str]:
    """Take out of the others what is in the catalog under another name.

    Folders of real audio hold such copies unmarked. Chromaprint is the judge, on
    15 s as they are. Returns the works that were taken out.
    """
    copies = []
    for piece in pieces.others["other work"]:
        sound = read_piece(piece)
        first = max(0, len(sound) // 2 - 8 * RATE)
        _, error = peer.best(sound[first : first + 15 * RATE])
        if error < _COPY:
            copies.append(piece)
    kept = [p for p in pieces.others["other work"] if p not in copies]
    pieces.others["other work"] = kept
    return [piece.work for piece in copies]


def build(folder: Path, pieces: Sequence[Piece]) -> Json:
    """Fill an index; return its cost in processor time of this process."""
    shutil.rmtree(folder, ignore_errors=True)
    index = FingerprintIndex.create(folder)
    cost, duration_s = 0.0, 0.0
    for start in range(0, len(pieces), 20):
        batch = []
        for piece in pieces[start : start + 20]:
            sound = read_piece(piece)
            duration_s += len(sound) / RATE
            batch.append((piece.id, soxr.resample(sound, RATE, SAMPLE_RATE)))
        began = time.process_time()
        index.add_many(batch)
        cost += time.process_time() - began
    n_bytes = sum(path.stat().st_size for path in folder.iterdir())
    return {
        "recordings": len(pieces),
        "hours": round(duration_s / 3600, 2),
        "times_real_time_without_decoding": round(duration_s / cost),
        "mb_per_hour": round(n_bytes / 1e6 / (duration_s / 3600), 2),
    }


def ingest_from_mp3(folder: Path, pieces: Sequence[Piece]) -> Json:
    """Return what decoding and adding cost, of a few recordings as stereo MP3."""
    folder.mkdir()
    paths, duration_s = [], 0.0
    for piece in pieces:
        sound = soxr.resample(read_piece(piece), RATE, 44_100)
        path = folder / f"{piece.id}.mp3"
        soundfile.write(path, np.stack([sound, sound], 1), 44_100, format="MP3")
        paths.append(path)
        duration_s += len(sound) / 44_100
    index = FingerprintIndex.create(folder / "index")
    read = (
        (path.stem, read_audio(path, sample_rate=SAMPLE_RATE).samples[0])
        for path in paths
    )
    _, cost = measured(lambda: index.add_many(read))
    yardsticks = cost.processor_s / cost.yardstick_s
    return {
        "recordings": len(paths),
        "hours_per_processor_minute": round(duration_s / 60 / cost.processor_s, 2),
        "yardsticks_per_hour": round(yardsticks * 3600 / duration_s),
    }


def ask(
    asked: Asked, index: FingerprintIndex, peer: Chromaprints | None, n_workers: int
) -> list[Json]:
    """Return for each query what was answered, whatever its probability.

    Every third query is put to the peer as well.
    """

    def answer(query: Query, number: int) -> Json:
        samples = query.samples
        found, cost = measured(lambda: index.identify(samples, max_false_match=1))
        is_put = peer is not None and number % _PEER_ONE_IN == 0
        return {
            "kind": query.kind,
            "transform": query.transform.name,
            "group": query.transform.group,
            "work": query.piece.work,
            "also": query.also,
            "duration_s": query.duration_s,
            "found": found,
            "cost": cost,
            "peer": peer.best(query.sound) if peer and is_put else None,
        }

    rows = answers(asked, answer, n_workers)
    known = {transform.name: transform for transform in TRANSFORMS}
    for row in rows:
        mixed = Transform(row["transform"], row["group"], lambda x, _: x)
        row["transform"] = known.get(row["transform"], mixed)
    return rows


def wilson(hits: int, n: int) -> Json:
    """Return a rate with its 95 % interval (Wilson)."""
    if n == 0:
        return {"n": 0}
    z, rate = 1.96, hits / n
    middle = (rate + z * z / (2 * n)) / (1 + z * z / n)
    half = z * np.sqrt(rate * (1 - rate) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    bounds = [round(float(max(0, middle - half)), 4), round(float(middle + half), 4)]
    return {"n": n, "hits": hits, "rate": round(rate, 4), "interval": bounds}


def accepted(row: Json) -> list[RecordingMatch]:
    """Return the answers at the rate of false matches that is allowed."""
    return [m for m in row["found"] if m.false_match_probability <= MAX_FALSE_MATCH]


def right_ids(row: Json, copies: dict[str, set[str]]) -> list[set[str]]:
    """Return what should be found: for each recording in the query its copies."""
    if row["kind"] != "catalog":
        return []
    ids = [copies[row["work"]]]
    if also := row["also"]:
        ids.append(next(c for c in copies.values() if also in c))
    return ids


def summarise(rows: Sequence[Json], copies: dict[str, set[str]]) -> Json:
    """Return rates by transformation, of false matches, and of the calibration."""
    found: dict[str, list[bool]] = {}
    groups: dict[str, list[bool]] = {}
    false: dict[str, list[bool]] = {kind: [] for kind in OTHERS}
    answers: dict[str, list[bool]] = {"without_other_performances": [], "of_all": []}
    for row in rows:
        names = {m.recording_id for m in accepted(row)}
        wanted = right_ids(row, copies)
        are_right = [any(n in w for w in wanted) for n in names]
        answers["of_all"] += are_right
        if not row["kind"].startswith("take"):
            answers["without_other_performances"] += are_right
        if row["kind"] != "catalog":
            false[row["kind"]].append(bool(names))
            continue
        for one in wanted:
            found.setdefault(row["transform"].name, []).append(bool(names & one))
            groups.setdefault(row["transform"].group, []).append(bool(names & one))
    all_false = list(itertools.chain(*false.values()))
    return {
        "accepted_and_right": {k: wilson(sum(v), len(v)) for k, v in found.items()},
        "by_group": {k: wilson(sum(v), len(v)) for k, v in groups.items()},
        "false_matches": {k: wilson(sum(v), len(v)) for k, v in false.items()}
        | {"all": wilson(sum(all_false), len(all_false))},
        "wrong_among_answers": {
            k: wilson(len(v) - sum(v), len(v)) for k, v in answers.items()
        },
        "errors": _errors(rows, copies),
        "query": summary_of([row["cost"] for row in rows]),
    }


def _errors(rows: Sequence[Json], copies: dict[str, set[str]]) -> Json:
    """Return how far off the intervals, pitches and tempos of right answers are."""
    table: dict[str, list[float]] = {"bounds_s": [], "pitch": [], "tempo": []}
    for row in rows:
        if row["kind"] != "catalog" or row["group"] in (MIX, UNKNOWN_MIX):
            continue
        transform = row["transform"]
        length_s = row["duration_s"] / transform.tempo_ratio
        for match in accepted(row)[:1]:
            if match.recording_id not in copies[row["work"]]:
                continue
            ends = abs(match.query_start_s), abs(match.query_end_s - length_s)
            table["bounds_s"].append(max(ends))
            off = match.pitch_semitones - transform.pitch_semitones
            table["pitch"].append(abs(off))
            table["tempo"].append(abs(match.tempo_ratio / transform.tempo_ratio - 1))
    return {
        name: {
            "median": round(float(np.median(values)), 4),
            "95 %": round(float(np.quantile(values, 0.95)), 4),
        }
        for name, values in table.items()
        if values
    }


def compare(rows: Sequence[Json], copies: dict[str, set[str]]) -> Json:
    """Return what Chromaprint found of those queries that were put to it."""
    asked = [row for row in rows if row["peer"] is not None]
    others = [row["peer"][1] for row in asked if row["kind"] == "other work"]
    held = float(np.quantile(others, 0.01))
    result: Json = {}
    for name, threshold in (("own_threshold", OWN_THRESHOLD), ("false_at_1_%", held)):
        found: dict[str, list[bool]] = {}
        for row in asked:
            named, error = row["peer"]
            wanted = right_ids(row, copies)
            is_right = any(named in one for one in wanted) if wanted else bool(named)
            group = row["transform"].name if wanted else f"false: {row['kind']}"
            found.setdefault(group, []).append(is_right and error <= threshold)
        result[name] = {"threshold": round(threshold, 4)} | {
            k: wilson(sum(v), len(v)) for k, v in found.items()
        }
    return result


def main(
    audio: Path | None,
    out: Path,
    *,
    kept: Path = KEPT,
    half: str = "report",
    n_each: int = 10,
    n_others: int = 1_030,
    n_workers: int = 2,
) -> Json:
    """Measure, print, and write the result.

    Args:
        audio: A folder of recordings besides the rendered ones.
        out: The JSON file.
        kept: Where rendered and decoded recordings are kept for the next run.
        half: Of the works: `tune` or `report`.
        n_each: Queries a transformation; four times as many where most is lost.
        n_others: Queries of works outside the catalog; an eighth as many of each
            kind of other performance.
        n_workers: Processes that ask.
    """
    pieces = gather(audio, kept, half)
    with tempfile.TemporaryDirectory() as folder:
        cost = build(Path(folder) / "index", pieces.catalog)
        cost["from_mp3"] = ingest_from_mp3(Path(folder) / "mp3", pieces.catalog[::10])
        index = FingerprintIndex.open(Path(folder) / "index")
        peer = peer_of(pieces.catalog) if is_installed() else None
        copies = leave_out_copies(pieces, peer) if peer else []
        asked = Asked(
            pieces=pieces, n_each=n_each, n_others=n_others, n_takes=n_others // 8
        )
        rows = ask(asked, index, peer, n_workers)
    result: Json = {
        "setup": {
            "half": half,
            "soundfonts": 1,
            "queries_s": [5, 10],
            "max_false_match": MAX_FALSE_MATCH,
            "left_out_as_copies": len(copies),
            "machine": platform.processor() or platform.machine(),
        },
        "index": cost,
        "fingerprint": summarise(rows, pieces.copies),
    }
    if peer is not None:
        result["chromaprint"] = compare(rows, pieces.copies)
    out.parent.mkdir(exist_ok=True)
    out.write_text(json.dumps(result, indent=1) + "\n")
    return result


def peer_of(catalog: Sequence[Piece]) -> Chromaprints:
    """Return what Chromaprint hears in the recordings."""
    return Chromaprints([p.path for p in catalog], [p.id for p in catalog])


def _print(result: Json) -> None:
    peer = result.get("chromaprint", {})
    print(f"{'':32}{'fingerprint':>12}{'fpcalc own':>12}{'fpcalc 1 %':>12}")
    for name, rate in result["fingerprint"]["accepted_and_right"].items():
        beside = [
            f"{peer[k].get(name, {}).get('rate', float('nan')):12.2f}"
            for k in ("own_threshold", "false_at_1_%")
            if k in peer
        ]
        print(f"{name:32}{rate['rate']:12.2f}{''.join(beside)}")
    print(json.dumps(result["fingerprint"]["false_matches"], indent=1))
    print(json.dumps(result["index"]), result["fingerprint"]["errors"])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--audio", type=Path)
    parser.add_argument("--folder", type=Path, default=KEPT)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--out", type=Path, default=RESULT)
    parser.add_argument("--half", choices=("tune", "report"), default="report")
    parser.add_argument("--each", type=int, default=10)
    parser.add_argument("--others", type=int, default=1_030)
    arguments = parser.parse_args()
    measured = main(
        arguments.audio,
        arguments.out,
        kept=arguments.folder,
        half=arguments.half,
        n_each=arguments.each,
        n_others=arguments.others,
    )
    print(json.dumps(measured)) if arguments.json else _print(measured)
