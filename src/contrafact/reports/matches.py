"""The report of what was recognised in a piece of audio, as one HTML file."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from markupsafe import Markup

from contrafact.core.evidence import Collapse
from contrafact.core.matches import ASPECTS, AspectSpan, RecordingMatch, WorkMatch
from contrafact.reports._format import clock, fixed, plain
from contrafact.reports._listening import LONGEST_S, Player, player
from contrafact.reports._match_figures import (
    PITCHES,
    Aligned,
    NullPlot,
    aligned,
    null_plot,
    pitch_image,
    probability,
)
from contrafact.reports._page import environment, policy, resource
from contrafact.reports._sound import cut
from contrafact.reports.inputs import Sound
from contrafact.reports.match_inputs import MatchInputs, Phrase

__all__ = ["render_matches"]

_N_RECORDINGS, _N_WORKS, _N_STYLE = 8, 6, 8
_LONGEST_PASSAGE_S = 30.0
_COLOURS = ("c1", "c2", "c3", "c4", "c5", "c6", "c7", "c8")
_HERE, _THERE = (31, 107, 117), (163, 84, 28)
_LAYER_NAMES = {
    "same_recording": "same recording",
    "partial_reuse": "partial reuse",
    "work": "works",
    "style": "style",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pair:
    """One match as the page shows it."""

    number: int
    kind: str
    title: str
    artist: str
    colour: str
    x: str
    width: str
    lane: int
    here: str
    there: str
    facts: tuple[tuple[str, str], ...]
    figure: Aligned | None
    query: Player
    reference: Player | None
    images: tuple[tuple[str, str], ...]
    nulls: tuple[NullPlot, ...]
    spans: tuple[tuple[str, str], ...]


def render_matches(inputs: MatchInputs) -> str:
    """Return the report as one self-contained HTML document.

    Works from `file://`, offline, printed, and without scripts; all foreign
    text is escaped; the same inputs give the same bytes. Shown are up to eight
    matches of recordings and six works.

    Returns:
        The document; encode it as UTF-8.
    """
    style = resource("report.css") + resource("matches.css")
    script = resource("report.js")
    pairs = list(_pairs(inputs))
    e = inputs.evidence
    page: str = (
        environment()
        .get_template("matches.html.j2")
        .render(
            policy=policy(style, script),
            style=Markup(style),
            script=Markup(script),
            headline=_headline_of(inputs),
            e=e,
            pairs=pairs,
            n_lanes=1 + max((p.lane for p in pairs), default=-1),
            recordings=[p for p in pairs if p.kind != "work"],
            works=[p for p in pairs if p.kind == "work"],
            is_measured={
                "recordings": e.recordings is not None,
                "works": e.works is not None,
                "style": e.style is not None,
            },
            style_rows=_style_rows(inputs),
            encoder_rows=list(_encoder_rows(inputs)),
            collapse=[_collapse_row(c) for c in inputs.collapse],
            song=player(inputs.query_sound, "This audio", is_large=True),
            n_recordings=inputs.n_recordings,
            pitches=PITCHES[::-1],
            facts=_facts(inputs),
            command=plain(inputs.command, 2_000),
        )
    )
    return page


def _headline_of(inputs: MatchInputs) -> str:
    """Return what was found, in one sentence."""
    e = inputs.evidence
    if e.problem:
        return "This audio could not be listened to"
    recordings = dict.fromkeys(m.recording_id for m in e.recordings or ())
    works = dict.fromkeys(m.work_id for m in e.works or ())
    if recordings:
        first = plain(inputs.titles.get(next(iter(recordings)), ("", None))[0], 80)
        more = f" and {len(recordings) - 1} more" if len(recordings) > 1 else ""
        are = "are" if more else "is"
        return f"“{first}”{more} {are} in this audio"
    if works:
        first = plain(inputs.work_titles.get(next(iter(works)), ""), 80)
        more = f" and {len(works) - 1} more" if len(works) > 1 else ""
        return f"The work “{first}”{more} is recognised in this audio"
    return "Nothing known was recognised in this audio"


def _pairs(inputs: MatchInputs) -> Iterator[_Pair]:
    e, lanes = inputs.evidence, _Lanes()
    number = 0
    for number, match in enumerate((e.recordings or ())[:_N_RECORDINGS], 1):
        yield _recording_pair(inputs, match, number, lanes)
    for work in (e.works or ())[:_N_WORKS]:
        number += 1
        yield _work_pair(inputs, work, number, lanes)


class _Lanes:
    """Rows of spans under the waveform; no two of a row overlap."""

    def __init__(self) -> None:
        self._ends: list[list[tuple[float, float]]] = []

    def place(self, start_s: float, end_s: float) -> int:
        for number, taken in enumerate(self._ends):
            if all(start_s >= high or end_s <= low for low, high in taken):
                taken.append((start_s, end_s))
                return number
        self._ends.append([(start_s, end_s)])
        return len(self._ends) - 1


def _recording_pair(
    inputs: MatchInputs, match: RecordingMatch, number: int, lanes: _Lanes
) -> _Pair:
    title, artist = inputs.titles.get(match.recording_id, (match.recording_id, None))
    span = AspectSpan(
        query_start_s=match.query_start_s,
        query_end_s=match.query_end_s,
        reference_start_s=match.reference_start_s,
        reference_end_s=match.reference_end_s,
    )
    facts = (
        ("Pitch", f"{_signed(match.pitch_semitones, 2)} semitones"),
        ("Tempo", f"× {match.tempo_ratio:.3f}"),
        ("Wrong, of matches as strong", probability(match.false_match_probability)),
    )
    return _pair(
        inputs, span, number, lanes,
        kind="recording", title=title, artist=artist or "", facts=facts,
        recording_id=match.recording_id, phrase=inputs.phrases.get(str(number)),
    )  # fmt: skip


def _work_pair(
    inputs: MatchInputs, work: WorkMatch, number: int, lanes: _Lanes
) -> _Pair:
    title, artist = inputs.titles.get(work.recording_id, (work.recording_id, None))
    phrase = inputs.phrases.get(work.work_id)
    span = phrase.span if phrase else _first_span(work)
    facts = (
        ("Joint", probability(work.joint)),
        *(
            (name.capitalize(), probability(work.aspects[name].p_value))
            for name in ASPECTS
            if name in work.aspects
        ),
        ("Transposed", f"{_signed(work.transposition_semitones, 0)} semitones"),
        ("Tempo", f"× {work.tempo_ratio:.2f}"),
    )
    found = _pair(
        inputs, span, number, lanes,
        kind="work", title=inputs.work_titles.get(work.work_id, title),
        artist=f"as in “{title}”" + (f", {artist}" if artist else ""), facts=facts,
        recording_id=work.recording_id, phrase=phrase,
        nulls=tuple(null_plot(n) for n in inputs.nulls.get(work.work_id, ())),
        spans=tuple(_aspect_spans(work)),
    )  # fmt: skip
    return found


def _first_span(work: WorkMatch) -> AspectSpan:
    spans = (s for name in ASPECTS if name in work.aspects
             for s in work.aspects[name].spans)  # fmt: skip
    nothing = AspectSpan(
        query_start_s=0.0, query_end_s=0.0, reference_start_s=0.0, reference_end_s=0.0
    )
    return next(spans, nothing)


def _aspect_spans(work: WorkMatch) -> Iterator[tuple[str, str]]:
    for name in ASPECTS:
        spans = work.aspects[name].spans if name in work.aspects else ()
        if spans:
            yield (
                name,
                "; ".join(
                    f"{_span(s.query_start_s, s.query_end_s)} as "
                    f"{_span(s.reference_start_s, s.reference_end_s)}"
                    for s in spans[:5]
                ),
            )


def _pair(  # noqa: PLR0913 - the columns of one row
    inputs: MatchInputs,
    span: AspectSpan,
    number: int,
    lanes: _Lanes,
    *,
    kind: str,
    title: str,
    artist: str,
    facts: tuple[tuple[str, str], ...],
    recording_id: str,
    phrase: Phrase | None,
    nulls: tuple[NullPlot, ...] = (),
    spans: tuple[tuple[str, str], ...] = (),
) -> _Pair:
    e, sound = inputs.evidence, inputs.recording_sounds.get(recording_id)
    heard_s = min(inputs.query_sound.duration_s, LONGEST_S)
    x = _percent(span.query_start_s - e.start_s, heard_s)
    width = max(_percent(span.query_end_s - e.start_s, heard_s) - x, 0.5)
    own = _passage(inputs.query_sound, span.query_start_s - e.start_s,
                   span.query_end_s - e.start_s)  # fmt: skip
    return _Pair(
        number=number,
        kind=kind,
        title=plain(title, 120),
        artist=plain(artist, 160),
        colour=_COLOURS[(number - 1) % len(_COLOURS)],
        x=f"{x:.2f}%",
        width=f"{width:.2f}%",
        lane=lanes.place(x, x + width),
        here=_span(span.query_start_s, span.query_end_s),
        there=_span(span.reference_start_s, span.reference_end_s),
        facts=facts,
        figure=aligned(inputs.query_sound, e.start_s, sound, span) if sound else None,
        query=player(own, f"Match {number}: this audio"),
        reference=_reference_player(sound, span, number),
        images=_images(phrase),
        nulls=nulls,
        spans=spans,
    )


def _reference_player(
    sound: Sound | None, span: AspectSpan, number: int
) -> Player | None:
    if sound is None:
        return None
    part = _passage(sound, span.reference_start_s, span.reference_end_s)
    return player(part, f"Match {number}: the recording")


def _passage(sound: Sound, start_s: float, end_s: float) -> Sound:
    return cut(sound, start_s, min(end_s, start_s + _LONGEST_PASSAGE_S))


def _images(phrase: Phrase | None) -> tuple[tuple[str, str], ...]:
    if phrase is None or not phrase.query.size:
        return ()
    return (
        ("This audio", pitch_image(phrase.query, _HERE)),
        ("The recording, moved to its pitch and tempo",
         pitch_image(phrase.reference, _THERE)),
    )  # fmt: skip


def _style_rows(inputs: MatchInputs) -> list[tuple[str, str, str, str]]:
    rows = []
    for match in (inputs.evidence.style or ())[:_N_STYLE]:
        title, artist = inputs.titles.get(match.recording_id, (match.recording_id, ""))
        p = probability(match.p_value)
        rows.append((plain(title), plain(artist or ""), fixed(match.score, 2), p))
    return rows


def _encoder_rows(
    inputs: MatchInputs,
) -> Iterator[tuple[str, list[tuple[str, ...]]]]:
    for name, matches in inputs.evidence.encoders.items():
        rows: list[tuple[str, ...]] = []
        for match in matches[:_N_STYLE]:
            title, artist = inputs.titles.get(
                match.recording_id, (match.recording_id, "")
            )
            row = (plain(title), plain(artist or ""), fixed(match.score, 3))
            rows.append((*row, probability(match.p_value), *_span_texts(match.spans)))
        yield plain(name).upper(), rows


def _span_texts(spans: tuple[AspectSpan, ...]) -> tuple[str, str]:
    if not spans:
        return "", ""
    first = spans[0]
    return (
        f"{clock(first.query_start_s)}–{clock(first.query_end_s)}",
        f"{clock(first.reference_start_s)}–{clock(first.reference_end_s)}",
    )


def _collapse_row(found: Collapse) -> dict[str, str]:
    return {
        "layer": _LAYER_NAMES[found.layer],
        "overlap": fixed(found.overlap, 2),
        "energy": fixed(found.rank1_energy, 2),
        "concentration": fixed(found.concentration, 2),
        "own": fixed(found.own_overlap, 2),
        "verdict": plain(found.reason) if found.is_generic else "kept",
        "n": str(found.n_queries),
    }


def _facts(inputs: MatchInputs) -> list[tuple[str, str]]:
    e = inputs.evidence
    facts = [
        ("File", e.file),
        ("SHA-256", e.digest or "–"),
        ("Length", clock(e.duration_s)),
        ("Listened to", _span(e.start_s, e.end_s)),
        ("Known recordings", f"{inputs.n_recordings:,}"),
    ]
    for name, value in sorted((e.tags or {}).items())[:12]:
        facts.append((f"Tag {name}", value))
    if e.credentials is not None:
        facts.append(("Content credentials", str(e.credentials.get("state"))))
    return [(plain(name, 80), plain(value, 500)) for name, value in facts]


def _percent(at_s: float, whole_s: float) -> float:
    return 100 * min(max(at_s / whole_s, 0.0), 1.0) if whole_s > 0 else 0.0


def _span(start_s: float, end_s: float) -> str:
    return f"{clock(start_s)}–{clock(end_s)}"


def _signed(value: float, decimals: int) -> str:
    shown = fixed(value, decimals)
    return f"+{shown}" if value > 0 and shown.strip("0.") else shown
