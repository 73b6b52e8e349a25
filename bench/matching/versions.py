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
import time
from collections.abc import Mapping, Sequence
from functools import cached_property
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
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
from versions_encoders import encoder_orders
from versions_peer import chroma, qmax
from versions_ranking import interval, ranked

from contrafact.core.matches import ASPECTS, AspectSpan, WorkMatch
from contrafact.matching.versions import VersionIndex
from contrafact.matching.versions.notes import Notes
from contrafact.workflows.encoders import named_encoders

OUT = Path(__file__).parents[1] / "results" / "matching-versions.json"
CACHE = Path(__file__).parents[2] / "build" / "bench"
MAX_P = 0.01
N_ASPECT_WORKS = 20
N_OTHERS, N_OUTSIDE = 10, 70
DESCRIBED_ONE_IN = 4  # queries whose likeness to each work is asked by aspect
PARTS = ("ranking", "peer", "certainty", "aspects", "pairs", "encoders")


def excerpt(notes: Notes, duration_s: float) -> Notes:
    """Return the notes in the middle of a rendering, as if nothing else was heard."""
    start = (RENDERING_S - duration_s) / 2
    return notes.between(start, start + duration_s).shifted(-start)


class Bench:
    """All renderings, and the questions asked of them."""

    def __init__(self, music: Music, every: int = 1) -> None:
        self.music = music
        self.queries = music.versions(first=N_WORKS // 2)
        self.asked = self.queries[::every]

    @cached_property
    def everything(self) -> list[Item]:
        """All recordings, of the works that settings were chosen on too."""
        return [*self.music.versions(), *self.music.distractors()]

    def ranking(self) -> dict[str, Any]:
        """Return MAP and top-1 of whole renderings and excerpts, and of Qmax."""
        index = index_of(self.music.cache / "everything", self.everything)
        index.n_null_comparisons  # noqa: B018  # counted once, and not by the clock
        result: dict[str, Any] = {}
        for duration_s in (RENDERING_S, EXCERPT_S):
            started = time.process_time()
            orders = [self._order(index, q, duration_s) for q in self.asked]
            seconds = (time.process_time() - started) / len(self.asked)
            result[f"{duration_s:.0f} s"] = {
                **ranked(self.asked, orders).summary(),
                "cpu_s_per_query": round(seconds, 4),
                "n_recordings": len(self.everything),
            }
            say(result)
        return result

    def _order(self, index: VersionIndex, query: Item, duration_s: float) -> list[str]:
        """Return the works of all recordings but the query, most alike first."""
        notes = excerpt(query.notes, duration_s)
        order = index.rank(notes, duration_s=duration_s, without=[query.name])
        works = {item.name: item.work for item in self.everything}
        return [works[name] for name, _ in order]

    def peer(self) -> dict[str, Any]:
        """Return the same of chroma and Qmax."""
        profiles = [chroma(item.samples()) for item in self.everything]
        names = [item.name for item in self.everything]
        result = {}
        for duration_s in (RENDERING_S, EXCERPT_S):
            share = (1 - duration_s / RENDERING_S) / 2
            orders = []
            for query in self.asked:
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
            result[f"{duration_s:.0f} s"] = ranked(self.asked, orders).summary()
        return result

    def encoders(self, folders: Mapping[str, Path]) -> dict[str, Any]:
        """Return the same of published encoders, whose weights are given."""
        found: dict[str, Any] = {name: {} for name in folders}
        for duration_s in (RENDERING_S, EXCERPT_S):
            every = encoder_orders(folders, self.everything, self.asked, duration_s)
            for name, orders in every.items():
                summary = ranked(self.asked, orders).summary()
                found[name][f"{duration_s:.0f} s"] = summary
                say(found)
        return found

    def catalog(self) -> VersionIndex:
        """Return an index of one rendering of each work, and of others."""
        others = self.music.distractors(N_OTHERS)
        items = [*self.queries[::N_VERSIONS], *others]
        return index_of(self.music.cache / "catalog", items)

    def certainty(self, index: VersionIndex) -> dict[str, Any]:
        """Return how often `identify` is right, and wrong where it should be silent.

        Silent it should be with queries whose work is left out of the index, and
        with all others of works that were never in it.
        """
        known = set(index.recording_ids)
        queries = [q for q in self.asked if q.name not in known]
        outside = [q for q in self.music.distractors(N_OUTSIDE) if q.name not in known]
        right = [float(_answers(index, q, [])[:1] == [q.work]) for q in queries]
        false, n_unrelated = list[float](), 0
        alike = dict.fromkeys(ASPECTS, 0)
        for i, query in enumerate([*queries, *outside]):
            own = [q.name for q in self.queries if q.work == query.work][:1]
            false.append(float(bool(_answers(index, query, own))))
            if i % DESCRIBED_ONE_IN:
                continue
            n_unrelated += len(known) - len(own)
            for match, aspect in product(_identify(index, query, own), ASPECTS):
                measured = match.aspects.get(aspect)
                alike[aspect] += measured is not None and measured.p_value <= MAX_P
        works = [q.work for q in queries]
        return {
            "max_p": MAX_P,
            "n_works": len(known),
            "n_queries": len(queries),
            "null_comparisons": index.n_null_comparisons,
            "accepted_and_right": interval(right, works),
            "n_queries_of_works_not_there": len(false),
            "answered_though_the_work_is_not_there": interval(
                false, [*works, *(q.work for q in outside)]
            ),
            "unrelated_works_alike_in_an_aspect": {
                aspect: round(n / n_unrelated, 5) for aspect, n in alike.items()
            },
            "n_unrelated": n_unrelated,
        }

    def aspects(
        self, index: VersionIndex, varied: Sequence[tuple[Item, str, Variation]]
    ) -> dict[str, Any]:
        """Return by which aspects music is found that shares only one.

        For what was kept: how often each aspect of the right work has p at most
        `MAX_P`, how often the work was answered, and, where the aspect was found,
        mean, median and number of intersections over union of the spans.
        """
        table: dict[str, Any] = {}
        for kept in ASPECTS:
            rows: dict[str, list[float]] = {a: [] for a in ("answered", *ASPECTS)}
            spans: dict[str, list[float]] = {"iou_query": [], "iou_work": []}
            chosen = [(item, v) for item, aspect, v in varied if aspect == kept]
            for item, variation in chosen:
                match = self._of_its_work(index, item)
                rows["answered"].append(float(bool(match and match.joint <= MAX_P)))
                for aspect in ASPECTS:
                    measured = match.aspects.get(aspect) if match else None
                    found = measured is not None and measured.p_value <= MAX_P
                    rows[aspect].append(float(found))
                    if measured and found and aspect == kept:
                        for name, value in overlaps(measured.spans, variation).items():
                            spans[name].append(value)
            works = [item.work for item, _ in chosen]
            table[kept] = {n: interval(values, works) for n, values in rows.items()}
            table[kept] |= {n: mean_of(values) for n, values in spans.items()}
            table[kept]["n"] = len(chosen)
        return table

    def _of_its_work(self, index: VersionIndex, item: Item) -> WorkMatch | None:
        """Return what is found of the right work, whose plain rendering is there."""
        matches = _identify(index, item, [])
        return next((m for m in matches if m.work_id == item.work), None)

    def pairs(self, pairs: Sequence[tuple[Item, Item]]) -> dict[str, Any]:
        """Return how human performances find the sequenced score among others."""
        distractors = self.music.distractors()
        items = [*(score for _, score in pairs), *distractors]
        index = index_of(self.music.cache / "pairs", items)
        works = {item.name: item.work for item in items}
        firsts = []
        for performance, _ in pairs:
            order = index.rank(performance.notes, duration_s=PAIR_S)
            firsts.append(float(bool(order) and works[order[0][0]] == performance.work))
        return {
            "n_pairs": len(pairs),
            "n_others": len(distractors),
            "top_1": interval(firsts, [score.work for _, score in pairs]),
        }


def index_of(folder: Path, items: Sequence[Item]) -> VersionIndex:
    """Return an index of recordings; what is there from an earlier run stays."""
    index = VersionIndex.create(folder)
    known = set(index.recording_ids)
    for item in items:
        if item.name not in known:
            index.add_notes(
                item.name, item.work, item.notes, duration_s=item.duration_s
            )
    return index


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


def _identify(index: VersionIndex, query: Item, without: list[str]) -> list[WorkMatch]:
    """Return all works that were looked at, certain or not."""
    return [
        *index.identify_notes(
            query.notes, duration_s=RENDERING_S, max_p=1.0, n_best=400, without=without
        )
    ]


def _answers(index: VersionIndex, query: Item, without: list[str]) -> list[str]:
    """Return the works that are answered, best first."""
    matches = index.identify_notes(
        query.notes, duration_s=RENDERING_S, max_p=MAX_P, without=without
    )
    return [match.work_id for match in matches]


def main(
    audio: Path | None = None,
    out: Path = OUT,
    *,
    folder: Path = CACHE,
    only: Sequence[str] = PARTS,
    every: int = 1,
    encoders: Mapping[str, Path] = {},
) -> dict[str, Any]:
    """Run the benchmark and write its results.

    Args:
        audio: A folder with `openscore_lieder`, `freedoom_midi` and
            `giantmidi_pairs`; None for the scores of music21 alone.
        out: Where to write; parts that are not run are kept as they are.
        folder: Where what is rendered and heard is kept.
        only: The parts to run.
        every: Ask with every n-th rendering only, where time is short.
        encoders: Folders of the weights of published encoders to compare with.
    """
    music = Music(audio, folder)
    bench = Bench(music, every)
    result: dict[str, Any] = json.loads(out.read_text()) if out.exists() else {}
    result |= {
        "works": N_WORKS,
        "renderings_of_each": N_VERSIONS,
        "distractors": N_DISTRACTORS,
        "rendering_s": RENDERING_S,
        "intervals": "mean, low and high end of 95 %, bootstrap over works",
        "music": "music21 and the folder given" if audio else "music21",
    }
    if "ranking" in only:
        result["ranking"] = bench.ranking()
    if "peer" in only:
        result["chroma_qmax"] = bench.peer()
    if "certainty" in only:
        result["certainty"] = bench.certainty(bench.catalog())
    if "aspects" in only:
        index = bench.catalog()
        half = music.pieces()[N_WORKS // 2 : N_WORKS // 2 + N_ASPECT_WORKS]
        result["aspects"] = bench.aspects(index, music.variations(half))
    if "pairs" in only and (pairs := music.pairs()):
        result["real_pairs"] = bench.pairs(pairs)
    if "encoders" in only and encoders:
        result["encoders"] = bench.encoders(encoders)
    out.write_text(json.dumps(result, indent=1) + "\n")
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
    parser.add_argument("--only", nargs="*", choices=PARTS, default=list(PARTS))
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument("--encoder", nargs="*", default=[], metavar="NAME=FOLDER")
    chosen = parser.parse_args()
    document = main(
        chosen.audio,
        chosen.out,
        folder=chosen.folder,
        only=chosen.only,
        every=chosen.every,
        encoders=named_encoders(chosen.encoder),
    )
    print(json.dumps(document, indent=None if chosen.json else 2))
