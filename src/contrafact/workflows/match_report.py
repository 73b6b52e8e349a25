"""Writing the HTML report of what was recognised in a piece of audio."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from contrafact.catalog import Workspace, read_audio
from contrafact.catalog.atomic import write_bytes
from contrafact.core.errors import CatalogError
from contrafact.core.evidence import Collapse, Evidence
from contrafact.core.matches import ASPECTS, AspectSpan, RecordingMatch, WorkMatch
from contrafact.core.units import RecordingId
from contrafact.matching import versions
from contrafact.matching.pitch_classes import SAMPLE_RATE, pitch_classes, rotated
from contrafact.reports import Sound
from contrafact.reports.match_inputs import MatchInputs, Null, Phrase
from contrafact.reports.matches import render_matches
from contrafact.workflows.evidence_documents import Names
from contrafact.workflows.listening import Heard, Listening, hear
from contrafact.workflows.match_indexes import (
    RATE,
    MatchIndexes,
    Samples,
    resampled,
)

__all__ = ["write_match_report"]

_LONGEST_S = 600.0
_LONGEST_PHRASE_S = 30.0
_FRAMES_PER_S = 10.0
_N_SHOWN = 8
_N_NULL = 200


def write_match_report(
    workspace: Workspace,
    evidence: Evidence,
    path: Path,
    *,
    names: Names,
    indexes: MatchIndexes,
    collapse: tuple[Collapse, ...] = (),
    command: str = "",
) -> None:
    """Write the report of a record of evidence.

    Args:
        workspace: Where the matched recordings are.
        evidence: What was recognised; its file is read again, for its sound.
        path: Where to write.
        names: What the catalog calls what was recognised.
        indexes: With what it was recognised.
        collapse: Diagnostics of the lists, if they were made.
        command: What to type to get the result again.

    Raises:
        StorageError: If the place is not writable.
    """
    heard = _heard(Path(evidence.file), evidence)
    sounds = dict(_recordings(workspace, evidence))
    inputs = MatchInputs(
        evidence=evidence,
        titles={n: (t, a) for n, (t, a, _) in names.recordings.items()},
        work_titles={
            w.work_id: names.work_title(w.work_id) for w in evidence.works or ()
        },
        query_sound=Sound(samples=heard.samples[None], sample_rate=RATE),
        recording_sounds=sounds,
        phrases=dict(_phrases(heard, evidence, sounds)),
        nulls=dict(_nulls(heard, evidence, indexes)),
        collapse=collapse,
        n_recordings=len(indexes.recording_ids),
        command=command,
    )
    write_bytes(path, render_matches(inputs).encode())


def _heard(audio: Path, evidence: Evidence) -> Heard:
    length_s = evidence.end_s - evidence.start_s
    if length_s > 0:
        how = Listening(most_s=max(length_s, 1.0), is_excerpt=evidence.start_s > 0)
        try:
            return hear(audio, how)
        except CatalogError:
            pass  # what cannot be read is not drawn; the record says why
    nothing = np.zeros(0, np.float32)
    return Heard(samples=nothing, start_s=0.0, duration_s=0.0, notices=())


def _recordings(
    workspace: Workspace, evidence: Evidence
) -> Iterator[tuple[str, Sound]]:
    wanted = [m.recording_id for m in (evidence.recordings or ())[:_N_SHOWN]]
    wanted += [m.recording_id for m in (evidence.works or ())[:_N_SHOWN]]
    with workspace.catalog() as catalog:
        for name in dict.fromkeys(wanted):
            try:
                recording = catalog.recording(RecordingId(name))
                audio = read_audio(
                    workspace.audio_path(recording),
                    sample_rate=RATE,
                    duration_s=_LONGEST_S,
                )
            except CatalogError:
                continue  # shown without its sound
            yield name, Sound(samples=audio.samples, sample_rate=RATE)


def _phrases(
    heard: Heard, evidence: Evidence, sounds: dict[str, Sound]
) -> Iterator[tuple[str, Phrase]]:
    for number, match in enumerate((evidence.recordings or ())[:_N_SHOWN], 1):
        if sound := sounds.get(match.recording_id):
            span = _span_of(match)
            yield str(number), _phrase(heard, sound, span, match.pitch_semitones)
    for work in (evidence.works or ())[:_N_SHOWN]:
        span_of_work = _best_span(work)
        sound = sounds.get(work.recording_id)
        if sound and span_of_work:
            yield (
                work.work_id,
                _phrase(heard, sound, span_of_work, work.transposition_semitones),
            )


def _span_of(match: RecordingMatch) -> AspectSpan:
    return AspectSpan(
        query_start_s=match.query_start_s,
        query_end_s=match.query_end_s,
        reference_start_s=match.reference_start_s,
        reference_end_s=match.reference_end_s,
    )


def _best_span(work: WorkMatch) -> AspectSpan | None:
    """Return where the aspect that is most certain matches best."""
    aspects = [work.aspects[a] for a in ASPECTS if a in work.aspects]
    found = [a for a in sorted(aspects, key=lambda a: a.p_value) if a.spans]
    return found[0].spans[0] if found else None


def _phrase(heard: Heard, sound: Sound, span: AspectSpan, semitones: float) -> Phrase:
    here_s = span.query_end_s - span.query_start_s
    part = min(1.0, _LONGEST_PHRASE_S / max(here_s, 1e-3))
    there_s = (span.reference_end_s - span.reference_start_s) * part
    n = max(8, round(here_s * part * _FRAMES_PER_S))
    start_s = span.query_start_s - heard.start_s
    here = _cut(heard.samples, start_s, here_s * part)
    there = _cut(sound.samples[0], span.reference_start_s, there_s)
    return Phrase(
        span=span,
        query=pitch_classes(here, n),
        reference=rotated(pitch_classes(there, n), semitones),
    )


def _cut(samples: Samples, start_s: float, length_s: float) -> Samples:
    start = max(0, round(start_s * RATE))
    part = samples[start : start + max(1, round(length_s * RATE))]
    return resampled(part, RATE, SAMPLE_RATE)


def _nulls(
    heard: Heard, evidence: Evidence, indexes: MatchIndexes
) -> Iterator[tuple[str, tuple[Null, ...]]]:
    """Yield for each work the scores of the same query against other works."""
    if not evidence.works:
        return
    samples = resampled(heard.samples, RATE, versions.SAMPLE_RATE)
    ranked = indexes.versions.identify(samples, max_p=1.0, n_best=_N_NULL)
    named = {work.work_id for work in evidence.works}
    others = [work for work in ranked if work.work_id not in named]
    for work in evidence.works[:_N_SHOWN]:
        yield work.work_id, tuple(_null(work, others))


def _null(work: WorkMatch, others: Iterable[WorkMatch]) -> Iterator[Null]:
    for name in ASPECTS:
        if (found := work.aspects.get(name)) is not None:
            scores = (o.aspects[name].score for o in others if name in o.aspects)
            yield Null(
                name=name,
                observed=found.score,
                p_value=found.p_value,
                scores=tuple(scores),
            )
