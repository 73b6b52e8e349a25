"""What is played in the HTML report: the song, matched passages, other songs."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from contrafact.core.results import Passage
from contrafact.reports._format import (
    clock,
    decimals_for,
    fixed,
    plain,
)
from contrafact.reports._heat import Heat, heat
from contrafact.reports._shares import colours
from contrafact.reports._sound import cut, data_uri, outline
from contrafact.reports.inputs import ReportInputs, Sound

N_PASSAGES = 5
# Ten minutes of MP3 are about 4 MB; a report is to stay one that can be mailed.
LONGEST_S = 600.0
_LARGE, _SMALL = 320, 110
_REGENERATED = {
    "named": "Without the named recordings",
    "similar": "Without the most similar ones",
    "random": "Without as many random ones",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Player:
    """One sound with its outline; `uri` is empty where there is no sound."""

    label: str
    uri: str
    path: str
    n_bins: int
    duration_s: str
    length: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PassagePair:
    """A passage of the song beside the passage of the recording it matched.

    `x`, `width` and `lane` place it on the song's waveform.
    """

    number: int
    title: str
    artist: str
    colour: str
    influence: str
    song_time: str
    recording_time: str
    song: Player
    recording: Player | None
    x: str
    width: str
    lane: int
    heat: Heat | None


def player(sound: Sound, label: str, *, is_large: bool = False) -> Player:
    """Return a sound ready to be drawn and played, at most ten minutes of it."""
    kept = cut(sound, 0.0, LONGEST_S) if sound.duration_s > LONGEST_S else sound
    n_bins = _LARGE if is_large else _SMALL
    return Player(
        label=label,
        uri=data_uri(kept),
        path=outline(kept, n_bins),
        n_bins=n_bins,
        duration_s=f"{kept.duration_s:.3f}",
        length=clock(kept.duration_s),
    )


def passage_pairs(inputs: ReportInputs) -> list[PassagePair]:
    """Return the best passages, the one of strongest influence first."""
    passages = inputs.attribution.passages[:N_PASSAGES]
    decimals = decimals_for(p.influence for p in passages)
    colour_of = colours(inputs.attribution)
    lanes = _lanes(passages)
    duration_s = min(inputs.query_sound.duration_s, LONGEST_S)
    pairs = []
    for number, (passage, lane) in enumerate(zip(passages, lanes, strict=True), 1):
        start = _percent_of(passage.query_start_s, duration_s)
        end = _percent_of(passage.query_end_s, duration_s)
        pairs.append(
            PassagePair(
                number=number,
                title=plain(passage.title),
                artist=plain(passage.artist),
                colour=colour_of.get(plain(passage.artist), "neutral"),
                influence=fixed(passage.influence, decimals),
                song_time=_span(passage.query_start_s, passage.query_end_s),
                recording_time=_span(
                    passage.recording_start_s, passage.recording_end_s
                ),
                song=_song_player(inputs, passage, number),
                recording=_recording_player(inputs, passage, number),
                x=f"{start:.2f}%",
                width=f"{max(end - start, 0.5):.2f}%",
                lane=lane,
                heat=heat(
                    passage.heat_map,
                    inputs.query_sound,
                    inputs.window_sounds.get(passage.recording_id),
                ),
            )
        )
    return pairs


def regenerated_players(inputs: ReportInputs) -> list[Player]:
    """Return the song and the songs made by the models trained without some."""
    if not inputs.regenerated:
        return []
    order = [k for k in _REGENERATED if k in inputs.regenerated]
    order += sorted(k for k in inputs.regenerated if k not in _REGENERATED)
    songs = [
        player(inputs.regenerated[k], _REGENERATED.get(k, f"Without {plain(k)}"))
        for k in order
    ]
    return [player(inputs.query_sound, "The song"), *songs]


def _song_player(inputs: ReportInputs, passage: Passage, number: int) -> Player:
    sound = cut(inputs.query_sound, passage.query_start_s, passage.query_end_s)
    return player(sound, f"Passage {number} of the song")


def _recording_player(
    inputs: ReportInputs, passage: Passage, number: int
) -> Player | None:
    sound = inputs.recording_sounds.get(passage.recording_id)
    if sound is None:
        return None
    start_s, end_s = passage.recording_start_s, passage.recording_end_s
    # A sound no longer than the passage is the passage, not the recording.
    if sound.duration_s > (end_s - start_s) + 0.1:
        sound = cut(sound, start_s, end_s)
    return player(sound, f"Passage {number} of {plain(passage.title)}")


def _percent_of(at_s: float, duration_s: float) -> float:
    if duration_s <= 0 or not math.isfinite(at_s):
        return 0.0
    return 100 * min(max(at_s / duration_s, 0.0), 1.0)


def _span(start_s: float, end_s: float) -> str:
    return f"{clock(start_s)}–{clock(end_s)}"


def _lanes(passages: Iterable[Passage]) -> list[int]:
    """Return for each passage the first lane in which it covers no other."""
    lanes: list[list[Passage]] = []
    chosen = []
    for p in passages:
        for i, lane in enumerate(lanes):
            if all(
                p.query_start_s >= q.query_end_s or p.query_end_s <= q.query_start_s
                for q in lane
            ):
                lane.append(p)
                chosen.append(i)
                break
        else:
            lanes.append([p])
            chosen.append(len(lanes) - 1)
    return chosen
