"""Are passages found where they are? A bar of a recording, put into another song.

    python bench/passages.py

The corpus is `planted`, whose every bar is known. A song is two recordings by an
artist who was never trained on, one after the other, of 14 to 16 motifs (a bar is two);
one bar of it is replaced by a bar of a trained recording, in one of three ways:

- `sound`: that bar of the recording as it sounds;
- `played again`: its motifs by the same artist, in another key and at the song's tempo;
- `melody alone`: its motifs on the song's own instrument, in its key and groove.

Then `contrafact attribute`'s own search for passages is asked where in the song and
where in that recording they match. In the recording, any bar with the same motifs is
right. `chance` is a stretch of the same length anywhere. Nothing was chosen on it.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from common import Bench, mean_interval, rate, say, write_result
from contrafact.attribution.base import Queries
from contrafact.attribution.estimators.index import IndexEstimator
from contrafact.catalog.corpora._planted_music import (
    PlantedRecording,
    plan_heldout,
    plan_training,
)
from contrafact.catalog.corpora._planted_roster import MOTIF_STEPS, N_TRAINED
from contrafact.catalog.corpora._planted_sound import sound
from contrafact.catalog.corpora.base import SAMPLE_RATE
from contrafact.core.results import Interval, Passage, SourceShare
from contrafact.generators import LatentBatch
from contrafact.generators.latents import cut_windows
from contrafact.workflows.asked import Asked
from contrafact.workflows.index import build_index, index_dir
from contrafact.workflows.passages import find_passages

Sound = NDArray[np.float32]
Span = tuple[float, float]

KINDS = ("sound", "played again", "melody alone")
_FADE_S = 0.01
_STRANGERS = 3
_PASSAGE_S = 2.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """A song with a bar of a recording in it.

    Attributes:
        at: Where the bar is in the song, seconds.
        of: Where its like is in the recording; any of these is right.
        bar_s: Length of a bar of the song and of the recording.
    """

    kind: str
    audio: Sound
    caption: str
    recording: PlantedRecording
    at: Span
    of: tuple[Span, ...]
    bar_s: tuple[float, float]


def main() -> None:
    """Run all and write `bench/results/passages.json`."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--folder", type=Path, default=Path("build/bench"))
    parser.add_argument("--songs", type=int, default=40)
    chosen = parser.parse_args()
    bench = Bench(chosen.folder, "planted")
    build_index(bench.workspace, model=bench.record.id, progress=say)
    made = trials(len(bench.recordings), chosen.songs)
    found: dict[str, list[dict[str, float]]] = {kind: [] for kind in KINDS}
    chance: list[dict[str, float]] = []
    rng = np.random.default_rng(1)
    for done, trial in enumerate(made, start=1):
        passage = asked_where(bench, trial)
        found[trial.kind].append(compared(trial, *spans_of(passage)))
        chance.append(compared(trial, *anywhere(trial, rng)))
        say("songs", done, len(made))
    write_result(
        "passages",
        {
            "command": "python bench/passages.py",
            "n_songs": chosen.songs,
            **{kind: summary(rows) for kind, rows in found.items()},
            "chance": summary(chance),
        },
    )


def trials(n_recordings: int, n_songs: int) -> list[Trial]:
    """Return each song in every way; the same for the same numbers."""
    trained = [p for p in plan_training(n_recordings, 0) if not p.duplicates]
    strangers = [p for p in plan_heldout(400, 0) if p.artist >= N_TRAINED]
    rng = np.random.default_rng(0)
    return [
        trial
        for number in range(n_songs)
        for trial in _song(
            [s for s in strangers if s.artist == N_TRAINED + number % _STRANGERS],
            trained[int(rng.integers(len(trained)))],
            rng,
        )
    ]


def _song(
    mine: Sequence[PlantedRecording], lender: PlantedRecording, rng: np.random.Generator
) -> list[Trial]:
    first, second = (mine[i] for i in rng.choice(len(mine), 2, replace=False))
    whole = len(first.slots) // 2 * 2
    host = replace(first, slots=first.slots[:whole] + second.slots)
    lent, place = (int(rng.integers(len(p.slots) // 2)) for p in (lender, host))
    motifs = lender.slots[2 * lent : 2 * lent + 2]
    again = replace(
        lender,
        slots=motifs,
        tempo=host.tempo,
        tonic=(lender.tonic + int(rng.integers(1, 12))) % 12,
    )
    slots = (*host.slots[: 2 * place], *motifs, *host.slots[2 * place + 2 :])
    start_s = place * bar_s(host)
    pieces = {
        "sound": spliced(host, start_s, bar_of(lender, lent)),
        "played again": spliced(host, start_s, sound(again)),
        "melody alone": (sound(replace(host, slots=slots)), start_s + bar_s(host)),
    }
    return [
        Trial(
            kind=kind,
            audio=audio,
            caption=host.entry.caption,
            recording=lender,
            at=(start_s, end_s),
            of=_alike(lender, motifs),
            bar_s=(bar_s(host), bar_s(lender)),
        )
        for kind, (audio, end_s) in pieces.items()
    ]


def bar_s(recording: PlantedRecording) -> float:
    """Return the length of a bar, two motifs."""
    return 2 * MOTIF_STEPS * recording.step_s


def bar_of(recording: PlantedRecording, number: int) -> Sound:
    """Return how a bar sounds."""
    ends = (round(n * bar_s(recording) * SAMPLE_RATE) for n in (number, number + 1))
    return sound(recording)[slice(*ends)]


def spliced(
    host: PlantedRecording, start_s: float, piece: Sound
) -> tuple[Sound, float]:
    """Return a song with a bar replaced, as loud as it, and where the bar ends."""
    whole = sound(host)
    start = round(start_s * SAMPLE_RATE)
    end = round((start_s + bar_s(host)) * SAMPLE_RATE)
    fade = np.linspace(0, 1, round(_FADE_S * SAMPLE_RATE), dtype=np.float32)
    piece = piece * np.float32(whole.std() / max(float(piece.std()), 1e-6))
    piece[: len(fade)] *= fade
    piece[-len(fade) :] *= fade[::-1]
    song = np.concatenate([whole[:start], piece, whole[end:]])
    return song, start_s + len(piece) / SAMPLE_RATE


def _alike(
    recording: PlantedRecording, motifs: tuple[tuple[int, int, int], ...]
) -> tuple[Span, ...]:
    """Return where in a recording these motifs sound."""
    step_s, n = MOTIF_STEPS * recording.step_s, len(motifs)
    return tuple(
        (i * step_s, (i + n) * step_s)
        for i in range(len(recording.slots) - n + 1)
        if recording.slots[i : i + n] == motifs
    )


def asked_where(bench: Bench, trial: Trial) -> Passage:
    """Return the passage that `contrafact attribute` gives for that recording."""
    generator = bench.generator
    latents = generator.encode(torch.from_numpy(trial.audio)[None, None])[0]
    cut = cut_windows(latents, max_tokens=generator.max_tokens)
    windows = [part for _, part in cut]
    folder = index_dir(bench.workspace, bench.record)
    asked = Asked(
        record=bench.record,
        generator=generator,
        data=bench.data,
        recordings=bench.recordings,
        audio=Path(),
        prompt=trial.caption,
        tags={},
        queries=Queries(LatentBatch.stack(windows), (trial.caption,) * len(windows)),
        lengths=tuple(part.shape[-1] for part in windows),
    )
    method = IndexEstimator().open(asked.task, folder)
    lender = next(r for r in bench.recordings if r.file.endswith(trial.recording.file))
    none = Interval(low=0.0, high=0.0)
    share = SourceShare(
        id=lender.id, name=lender.title, share=1.0, interval=none, influence=1.0,
        influence_interval=none, of_learned=None, common=0.0, n_recordings=1,
    )  # fmt: skip
    passages, _ = find_passages(
        asked, method, [share], artists=bench.artist, directory=folder
    )
    return passages[0]


def spans_of(passage: Passage) -> tuple[Span, Span]:
    """Return where it is in the song and in the recording."""
    return (
        (passage.query_start_s, passage.query_end_s),
        (passage.recording_start_s, passage.recording_end_s),
    )


def anywhere(trial: Trial, rng: np.random.Generator) -> tuple[Span, Span]:
    """Return a stretch of a passage's length anywhere on both sides."""
    lengths = (len(trial.audio) / SAMPLE_RATE, trial.recording.duration_s)
    starts = [float(rng.uniform(0, length - _PASSAGE_S)) for length in lengths]
    first, second = ((start, start + _PASSAGE_S) for start in starts)
    return first, second


def compared(trial: Trial, song: Span, recording: Span) -> dict[str, float]:
    """Return overlap, and distance of the middles in bars, on both sides."""
    bars = [abs(sum(recording) - sum(one)) / 2 / trial.bar_s[1] for one in trial.of]
    return {
        "song_iou": overlap(song, trial.at),
        "recording_iou": max(overlap(recording, one) for one in trial.of),
        "song_bars": abs(sum(song) - sum(trial.at)) / 2 / trial.bar_s[0],
        "recording_bars": min(bars),
    }


def overlap(one: Span, other: Span) -> float:
    """Return the intersection of two spans over their union."""
    shared = min(one[1], other[1]) - max(one[0], other[0])
    return max(0.0, shared) / (max(one[1], other[1]) - min(one[0], other[0]))


def summary(rows: Sequence[dict[str, float]]) -> dict[str, Any]:
    """Return rates and means, song and recording apart."""
    return {
        side: {
            "within_a_bar": rate([r[f"{side}_bars"] <= 1 for r in rows]),
            "within_half_a_bar": rate([r[f"{side}_bars"] <= 0.5 for r in rows]),
            "iou": mean_interval([r[f"{side}_iou"] for r in rows]),
            "iou_at_least_0.6": rate([r[f"{side}_iou"] >= 0.6 for r in rows]),
        }
        for side in ("song", "recording")
    }


if __name__ == "__main__":
    main()
