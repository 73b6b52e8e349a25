"""Measure how works are found in other performances, beside chroma and Qmax.

    python bench/matching --only versions [--audio DIR]

Writes bench/results/matching-versions.json. The music is rendered from the scores
that music21 carries and, if a folder is given, from its MusicXML and MIDI files; see
`versions_music.py` for what a performance changes. 80 works are rendered three times,
160 others once. Settings were chosen on the first 40 works; all numbers here are of
the other 40. What was rendered and heard is kept below build/bench and used again.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from versions_aspects import Variation
from versions_data import (
    EXCERPT_S,
    N_DISTRACTORS,
    N_VERSIONS,
    N_WORKS,
    PAIR_S,
    RENDERING_S,
    Item,
    Music,
)
from versions_peer import chroma, qmax

from contrafact.core.matches import ASPECTS, AspectSpan
from contrafact.matching.versions import VersionIndex
from contrafact.matching.versions.notes import Notes

OUT = Path(__file__).parents[1] / "results" / "matching-versions.json"
CACHE = Path(__file__).parents[2] / "build" / "bench"
MAX_P = 0.01
N_BOOTSTRAP = 2000
N_ASPECT_WORKS = 20


@dataclass(frozen=True, slots=True, eq=False)
class Ranking:
    """Average precision and whether the first is right, one each a query."""

    precision: NDArray[np.float64]
    is_first: NDArray[np.float64]
    works: list[str]

    def summary(self) -> dict[str, Any]:
        """Return means with intervals, works drawn again as a whole."""
        return {
            "map": interval(self.precision, self.works),
            "top_1": interval(self.is_first, self.works),
            "n_queries": len(self.precision),
        }


def interval(values: Sequence[float], groups: Sequence[str]) -> list[float]:
    """Return the mean and its 95 % interval by bootstrap over groups."""
    rng = np.random.default_rng(0)
    names = sorted(set(groups))
    members = [np.flatnonzero(np.array(groups) == name) for name in names]
    numbers = np.asarray(values, float)
    sums = np.array([[numbers[m].sum(), len(m)] for m in members])
    drawn = sums[rng.integers(len(names), size=(N_BOOTSTRAP, len(names)))].sum(axis=1)
    low, high = np.quantile(drawn[:, 0] / drawn[:, 1], (0.025, 0.975))
    return [round(float(x), 4) for x in (numbers.mean(), low, high)]


def ranked(queries: Sequence[Item], orders: Sequence[Sequence[str]]) -> Ranking:
    """Return how well other versions of each query's work are ranked.

    Args:
        queries: Recordings named `v...`.
        orders: For each, the works of all that was ranked, best first; what the
            coarse index left out does not occur, and counts as never found.
    """
    precisions, firsts = [], []
    for query, order in zip(queries, orders, strict=True):
        places = 1 + np.flatnonzero([work == query.work for work in order])
        hits = np.arange(1, len(places) + 1) / places
        precisions.append(hits.sum() / (N_VERSIONS - 1))
        firsts.append(float(bool(order) and order[0] == query.work))
    return Ranking(np.array(precisions), np.array(firsts), [q.work for q in queries])


def excerpt(notes: Notes, duration_s: float) -> Notes:
    """Return the notes in the middle of a rendering, as if nothing else was heard."""
    start = (RENDERING_S - duration_s) / 2
    return notes.between(start, start + duration_s).shifted(-start)


class Bench:
    """An index of all renderings, and the questions asked of it."""

    def __init__(self, music: Music, folder: Path) -> None:
        self.music = music
        self.versions, self.distractors = music.versions()
        self.index = VersionIndex.create(folder / "works")
        started = time.process_time()
        self.everything = [*self.versions, *self.distractors]
        for i, item in enumerate(self.everything):
            if i % 20 == 0:
                say({"indexed": i, "of": len(self.everything)})
            self.index.add_notes(
                item.name, item.work, item.notes, duration_s=RENDERING_S
            )
        self.add_s = (time.process_time() - started) / len(self.everything)
        self.work_of = {item.name: item.work for item in self.everything}
        half = len(self.versions) // 2
        self.queries = self.versions[half:]

    def rankings(self) -> dict[str, Any]:
        """Return MAP and top-1 of whole renderings and excerpts, and of Qmax."""
        result: dict[str, Any] = {}
        for duration_s in (RENDERING_S, EXCERPT_S):
            orders = []
            started = time.process_time()
            for query in self.queries:
                notes = excerpt(query.notes, duration_s)
                found = self.index.rank(
                    notes, duration_s=duration_s, without=[query.name]
                )
                orders.append([self.work_of[name] for name, _ in found])
            seconds = (time.process_time() - started) / len(self.queries)
            result[f"{duration_s:.0f} s"] = {
                **ranked(self.queries, orders).summary(),
                "cpu_s_per_query": round(seconds, 4),
                "cpu_s_per_query_and_500_recordings": round(
                    seconds * 500 / len(self.everything), 4
                ),
            }
        return result | {"chroma_qmax": self._peer()}

    def _peer(self) -> dict[str, Any]:
        profiles = [chroma(item.samples()) for item in self.everything]
        names = [item.name for item in self.everything]
        result = {}
        for duration_s in (RENDERING_S, EXCERPT_S):
            share = (1 - duration_s / RENDERING_S) / 2
            orders = []
            for query in self.queries:
                mine = profiles[names.index(query.name)]
                first = round(share * len(mine))
                mine = mine[first : len(mine) - first]
                scores = np.concatenate(
                    [qmax(mine, profiles[k : k + 50])
                     for k in range(0, len(profiles), 50)]
                )  # fmt: skip
                order = [int(i) for i in np.argsort(-scores, kind="stable")]
                orders.append(
                    [self.everything[i].work for i in order if names[i] != query.name]
                )
            result[f"{duration_s:.0f} s"] = ranked(self.queries, orders).summary()
        return result

    def certainty(self) -> dict[str, Any]:
        """Return how often `identify` is right, and wrong where it should be silent."""
        right, false, unrelated = [], [], {aspect: [0, 0] for aspect in ASPECTS}
        for query in self.queries:
            others = [q.name for q in self.versions if q.work == query.work]
            found = self._identify(query, [query.name], MAX_P)
            right.append(float(bool(found) and found[0].work_id == query.work))
            wrong = self._identify(query, others, 1.0)
            false.append(float(bool(wrong) and wrong[0].joint <= MAX_P))
        for query in self.queries[::N_VERSIONS]:
            others = [q.name for q in self.versions if q.work == query.work]
            for match in self._identify(query, others, 1.0):
                for aspect, measured in match.aspects.items():
                    unrelated[aspect][0] += measured.p_value <= MAX_P
            for aspect in ASPECTS:
                unrelated[aspect][1] += N_WORKS + N_DISTRACTORS - 1
        works = [q.work for q in self.queries]
        return {
            "max_p": MAX_P,
            "accepted_and_right": interval(right, works),
            "answers_where_the_work_is_not_in_the_catalog": interval(false, works),
            "unrelated_works_with_aspect_p_at_most_max_p": {
                aspect: [n, of, round(n / of, 5)]
                for aspect, (n, of) in unrelated.items()
            },
            "null_comparisons": self.index.n_null_comparisons,
        }

    def _identify(self, query: Item, without: Sequence[str], max_p: float) -> Any:
        return self.index.identify_notes(
            query.notes,
            duration_s=RENDERING_S,
            max_p=max_p,
            n_best=400,
            without=without,
        )

    def aspects(self, variations: Sequence[tuple[Item, str, Variation]]) -> Any:
        """Return by which aspects music is found that shares only one.

        Each cell: how often an aspect (inner) of the right work has p at most
        `MAX_P` where another or the same (outer) was kept.
        """
        table: dict[str, dict[str, list[float]]] = {
            kept: {a: [] for a in ("answered", *ASPECTS, "iou_query", "iou_work")}
            for kept in ASPECTS
        }
        works: dict[str, list[str]] = {kept: [] for kept in ASPECTS}
        plain = {v.work for v in self.versions}
        for item, kept, varied in variations:
            assert item.work in plain
            without = [
                v.name for v in self.versions
                if v.work == item.work and not v.name.startswith("v0")
            ]  # fmt: skip
            matches = self._identify(item, without, 1.0)
            match = next((m for m in matches if m.work_id == item.work), None)
            row = table[kept]
            works[kept].append(item.work)
            row["answered"].append(float(match is not None and match.joint <= MAX_P))
            for aspect in ASPECTS:
                measured = match.aspects.get(aspect) if match else None
                found = measured is not None and measured.p_value <= MAX_P
                row[aspect].append(float(found))
                if measured is not None and found and aspect == kept:
                    for name, value in overlaps(measured.spans, varied).items():
                        row[name].append(value)
        return {
            kept: {
                name: (interval(values, works[kept]) if len(values) == len(works[kept])
                       else mean_of(values))
                for name, values in row.items()
            }
            for kept, row in table.items()
        } | {"n": {kept: len(works[kept]) for kept in ASPECTS}}  # fmt: skip

    def pairs(self, pairs: Sequence[tuple[Item, Item]], folder: Path) -> dict[str, Any]:
        """Return how human performances find the sequenced score."""
        index = VersionIndex.create(folder / "pairs")
        for _, score in pairs:
            index.add_notes(score.name, score.work, score.notes, duration_s=PAIR_S)
        for item in self.distractors:
            index.add_notes(item.name, item.work, item.notes, duration_s=RENDERING_S)
        firsts, right = [], []
        for performance, score in pairs:
            found = index.rank(performance.notes, duration_s=PAIR_S)
            firsts.append(float(bool(found) and found[0][0] == score.name))
            matches = index.identify_notes(performance.notes, duration_s=PAIR_S)
            right.append(float(bool(matches) and matches[0].work_id == score.work))
        works = [score.work for _, score in pairs]
        return {
            "n_pairs": len(pairs),
            "n_distractors": len(self.distractors),
            "top_1": interval(firsts, works),
            "accepted_and_right": interval(right, works),
        }


def mean_of(values: Sequence[float]) -> list[float] | None:
    """Return mean, median and number of what was measured in some cases only."""
    if not values:
        return None
    return [round(float(np.mean(values)), 3), round(float(np.median(values)), 3),
            len(values)]  # fmt: skip


def overlaps(spans: Sequence[AspectSpan], varied: Variation) -> dict[str, float]:
    """Return intersection over union of the best span and the truth, in both."""
    if not spans:
        return {"iou_query": 0.0, "iou_work": 0.0}
    best = spans[0]
    found = {
        "iou_query": ((best.query_start_s, best.query_end_s), varied.query_s),
        "iou_work": ((best.reference_start_s, best.reference_end_s), varied.work_s),
    }
    return {name: iou(*both) for name, both in found.items()}


def iou(one: tuple[float, float], other: tuple[float, float]) -> float:
    """Return intersection over union of two spans.

    Example:
        >>> iou((0, 4), (2, 6))
        0.3333333333333333
    """
    common = min(one[1], other[1]) - max(one[0], other[0])
    union = max(one[1], other[1]) - min(one[0], other[0])
    return max(0.0, common) / union


def main(
    audio: Path | None = None, out: Path = OUT, *, folder: Path = CACHE
) -> dict[str, Any]:
    """Run the benchmark and write its results.

    Args:
        audio: A folder with `openscore_lieder`, `freedoom_midi` and
            `giantmidi_pairs`; None for the scores of music21 alone.
        out: Where to write.
        folder: Where what is rendered and heard is kept.
    """
    music = Music(audio, folder)
    with tempfile.TemporaryDirectory() as scratch:
        bench = Bench(music, Path(scratch))
        result: dict[str, Any] = {
            "works": N_WORKS,
            "renderings_of_each": N_VERSIONS,
            "distractors": N_DISTRACTORS,
            "rendering_s": RENDERING_S,
            "intervals": "mean, low and high end of 95 %, bootstrap over works",
            "music": "music21 and the folder given" if audio else "music21",
            "cpu_s_to_add_after_transcription": round(bench.add_s, 4),
            "ranking": bench.rankings(),
        }
        say(result["ranking"])
        result["certainty"] = bench.certainty()
        say(result["certainty"])
        half = music.pieces()[N_WORKS // 2 : N_WORKS // 2 + N_ASPECT_WORKS]
        result["aspects"] = bench.aspects(music.variations(half))
        say(result["aspects"])
        if pairs := music.pairs():
            result["real_pairs"] = bench.pairs(pairs, Path(scratch))
            say(result["real_pairs"])
    out.write_text(json.dumps(result, indent=2) + "\n")
    return result


def say(part: dict[str, Any]) -> None:
    """Print a part of the results while the rest is measured."""
    print(json.dumps(part), file=sys.stderr, flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--audio", type=Path)
    parser.add_argument("--folder", type=Path, default=CACHE)
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--json", action="store_true")
    chosen = parser.parse_args()
    document = main(chosen.audio, chosen.out, folder=chosen.folder)
    print(json.dumps(document, indent=None if chosen.json else 2))
