"""One piece of audio in, one record of evidence out, whatever the piece is.

What cannot be read, is silent or is too short gives a record that says so, and
no match; nothing a stranger sends raises here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from contrafact.catalog import (
    Audio,
    AudioInfo,
    digest_file,
    read_audio,
    read_info,
)
from contrafact.core.errors import (
    AudioError,
    AuditError,
    CatalogError,
    MatchingError,
)
from contrafact.core.evidence import EncoderMatch, Evidence
from contrafact.core.matches import OriginFinding, RecordingMatch, WorkMatch
from contrafact.core.units import Seconds
from contrafact.matching import fingerprint, style, versions
from contrafact.matching.evidence import shifted
from contrafact.workflows.encoders import encoder_matches
from contrafact.workflows.file_marks import with_marks
from contrafact.workflows.match_indexes import (
    RATE,
    MatchIndexes,
    Samples,
    resampled,
)

__all__ = ["Heard", "Listening", "evidence_in", "hear", "listen"]

_SILENT_BELOW = 1e-4
_SHORTEST_S: Seconds = 1.0
_LEAD_IN_S: Seconds = 30.0
_MOST_CHANNELS_S: Seconds = 60.0  # of a piece whose channels are held one by one
_RINGING = RATE // 20
_WINDOW_S: Seconds = 12.0
_HINT_P = 0.3  # of works: the joint p-value up to which the rest is heard
_MOST_CHANCES = 50.0
"""Beyond, the index cannot state a rate low enough, and nothing would be named."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listening:
    """How a piece is listened to.

    Attributes:
        most_s: At most so much of it, in seconds above 0.
        is_excerpt: Whether to skip up to 30 s at the beginning of a piece that
            is longer, since what begins there is often not yet the piece.
        piece_s: Compare recordings by pieces of so many seconds, and the whole
            part only if one of them holds a known recording; the whole part at
            once if 0. Much cheaper where most pieces are new.
        works_s: Listen for works in so much of the part, from its middle; it
            takes most of the time.
        works_first_s: At first only in so much of that, from its middle, and in the
            rest if what is heard is at all like a work; in all at once if 0.
        max_false_match: Of recordings: the highest false-match probability.
        max_p: Of works: the highest p-value.
        max_style_p: Of style: the highest p-value.
        max_encoder_p: Of learned encoders: the highest p-value.
        has_marks: Whether to read tags and content credentials.
    """

    most_s: Seconds = 600.0
    is_excerpt: bool = False
    piece_s: Seconds = 0.0
    works_s: Seconds = 600.0
    works_first_s: Seconds = 0.0
    max_false_match: float = 0.01
    max_p: float = 0.01
    max_style_p: float = 0.05
    max_encoder_p: float = 0.05
    has_marks: bool = True


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Heard:
    """The part of a piece that is listened to.

    Attributes:
        samples: `(n,)`, mono at `RATE`, without a constant part.
        start_s: Where in the piece it begins.
        duration_s: Of the whole piece, as far as it is known.
        notices: What must be said about it.
    """

    samples: Samples
    start_s: Seconds
    duration_s: Seconds
    notices: tuple[str, ...]

    @property
    def end_s(self) -> Seconds:
        """Where in the piece it ends."""
        n: int = len(self.samples)
        return self.start_s + n / RATE

    @property
    def problem(self) -> str:
        """Why nothing can be recognised in it; "" if something can."""
        n = len(self.samples)
        if n < _SHORTEST_S * RATE:
            return f"it lasts {n / RATE:.3f} s; at least 1 s is needed"
        # Resampling a constant rings at both ends.
        middle = self.samples[_RINGING : n - _RINGING]
        if float(np.abs(middle).max(initial=0.0)) < _SILENT_BELOW:
            return "it is silent: nothing can be heard in it"
        return ""


def listen(
    path: Path,
    indexes: MatchIndexes,
    how: Listening,
    *,
    origin: Callable[[Path], OriginFinding | None] | None = None,
) -> Evidence:
    """Return what is recognised in a file; never raises for what is in it.

    Args:
        path: The file.
        indexes: What is known.
        how: How to listen.
        origin: Says which generator made a file, None if it cannot be said;
            nobody is asked if None.
    """
    try:
        digest = str(digest_file(path))
        heard = hear(path, how)
    except CatalogError as error:
        return Evidence(file=str(path), problem=_without_path(error, path))
    except OSError as error:
        return Evidence(file=str(path), problem=error.strerror or str(error))
    found = evidence_in(heard, indexes, how, file=str(path))
    found = replace(
        found,
        digest=digest,
        origin=_origin(path, found, origin),
        encoders=_encoded(path, heard, found, indexes, how),
    )
    return with_marks(found, path) if how.has_marks else found


def _origin(
    path: Path,
    found: Evidence,
    origin: Callable[[Path], OriginFinding | None] | None,
) -> OriginFinding | None:
    if origin is None or found.problem:
        return None
    try:
        return origin(path)
    except (CatalogError, AuditError):
        return None  # too short, or nothing that it could be heard in


def _encoded(
    path: Path, heard: Heard, found: Evidence, indexes: MatchIndexes, how: Listening
) -> Mapping[str, tuple[EncoderMatch, ...]]:
    if found.problem:
        return {}
    matches = encoder_matches(
        indexes.encoders, partial(_at_rate, path, heard), max_p=how.max_encoder_p
    )
    return shifted(Evidence(file="", encoders=matches), heard.start_s).encoders


def _at_rate(path: Path, heard: Heard, rate: int) -> Samples:
    """Return the part that is heard, decoded again: `RATE` cuts off what is high."""
    try:
        length_s = heard.end_s - heard.start_s
        samples: Samples = _read(path, heard.start_s, length_s, rate=rate).samples[0]
    except AudioError:  # channels that cancel each other, of which one is heard
        samples = resampled(heard.samples, RATE, rate)
    return samples


def evidence_in(
    heard: Heard, indexes: MatchIndexes, how: Listening, *, file: str
) -> Evidence:
    """Return what is recognised in a part of a piece."""
    base = Evidence(
        file=file,
        duration_s=round(heard.duration_s, 3),
        start_s=round(heard.start_s, 3),
        end_s=round(heard.end_s, 3),
        recordings=(),
        works=(),
        style=(),
        notices=heard.notices,
        problem=heard.problem,
    )
    if base.problem:
        return base
    works, notices = _works(heard, indexes, how)
    found = replace(
        base,
        recordings=_recordings(heard, indexes, how),
        works=works,
        style=indexes.style.identify(
            resampled(heard.samples, RATE, style.SAMPLE_RATE), max_p=how.max_style_p
        ),
        notices=(*base.notices, *notices),
    )
    return shifted(found, heard.start_s)


def _recordings(
    heard: Heard, indexes: MatchIndexes, how: Listening
) -> tuple[RecordingMatch, ...]:
    """Return the recordings in a part of a piece, at the rate allowed for all of it.

    The index states its rate for a query of a window's length; a longer one has
    as many chances more to be mistaken.
    """
    rate = fingerprint.SAMPLE_RATE
    samples = resampled(heard.samples, RATE, rate)
    n_piece = round(how.piece_s * rate)
    if 0 < n_piece < len(samples):
        pieces = [samples[i : i + n_piece] for i in range(0, len(samples), n_piece)]
        if not any(_found(piece, indexes, how) for piece in pieces):
            return ()
    return _found(samples, indexes, how)


def _found(
    samples: Samples, indexes: MatchIndexes, how: Listening
) -> tuple[RecordingMatch, ...]:
    length_s = len(samples) / fingerprint.SAMPLE_RATE
    n_chances = min(max(1.0, length_s / _WINDOW_S), _MOST_CHANCES)
    found = indexes.fingerprints.identify(
        samples, max_false_match=how.max_false_match / n_chances
    )
    return tuple(
        replace(m, false_match_probability=m.false_match_probability * n_chances)
        for m in found
    )


def _works(
    heard: Heard, indexes: MatchIndexes, how: Listening
) -> tuple[tuple[WorkMatch, ...] | None, tuple[str, ...]]:
    """Return the works in a part of a piece; None, and why, if nobody could listen."""
    n = round(how.works_s * RATE)
    start = max(0, (len(heard.samples) - n) // 2)
    samples = resampled(heard.samples[start : start + n], RATE, versions.SAMPLE_RATE)
    try:
        if 0 < how.works_first_s < len(samples) / versions.SAMPLE_RATE:
            found = _works_step_by_step(samples, indexes, how)
        else:
            found = indexes.versions.identify(samples, max_p=how.max_p)
    except MatchingError as error:
        return None, (f"works were not measured: {error}",)
    moved = shifted(Evidence(file="", works=found), start / RATE).works
    return moved, ()


def _works_step_by_step(
    samples: Samples, indexes: MatchIndexes, how: Listening
) -> tuple[WorkMatch, ...]:
    """Return the works in samples, most of which are heard only if there is a hint."""
    hearing = versions.Hearing.of(samples)
    n_first = max(1, round(how.works_first_s / versions.WINDOW_S))
    first = max(0, (hearing.n_windows - n_first) // 2)
    steps = ((first, min(first + n_first, hearing.n_windows), _HINT_P),
             (0, hearing.n_windows, how.max_p))  # fmt: skip
    found: tuple[WorkMatch, ...] = ()
    for begin, end, max_p in steps:
        found = indexes.versions.identify_notes(
            hearing.notes(begin, end),
            duration_s=(end - begin) * versions.WINDOW_S,
            max_p=max_p,
        )
        if not found:
            break
    return found


def hear(path: Path, how: Listening) -> Heard:
    """Decode the part of a file that is listened to.

    A file that is cut off is heard as far as it goes. Channels are mixed; if
    they cancel each other out, the loudest is taken.

    Raises:
        AudioError: If it is not audio, or holds NaN or infinite values.
    """
    info = read_info(path)
    start_s = _start(info, how)
    samples, most_s = _mixed(path, info, start_s, how.most_s)
    end_s = start_s + len(samples) / RATE
    return Heard(
        samples=samples,
        start_s=start_s,
        duration_s=max(info.duration_s, end_s),
        notices=_notices(info, start_s, end_s, most_s),
    )


def _start(info: AudioInfo, how: Listening) -> Seconds:
    if not how.is_excerpt:
        return 0.0
    return max(0.0, min(_LEAD_IN_S, (info.duration_s - how.most_s) / 2))


def _mixed(
    path: Path, info: AudioInfo, start_s: Seconds, most_s: Seconds
) -> tuple[Samples, Seconds]:
    """Return what is heard of a part, and how much of it was asked for."""
    try:
        samples = _centred(_read(path, start_s, most_s).samples[0])
    except AudioError:  # a whole file whose mix is silent; or the next call says why
        if info.n_channels == 1:
            raise
        samples = np.zeros(0, np.float32)
    if info.n_channels > 1 and np.abs(samples).max(initial=0.0) < _SILENT_BELOW:
        most_s = min(most_s, _MOST_CHANNELS_S)
        samples = _loudest(path, start_s, most_s)
    return samples, most_s


def _read(
    path: Path,
    start_s: Seconds,
    most_s: Seconds,
    *,
    mono: bool = True,
    rate: int = RATE,
) -> Audio:
    return read_audio(
        path,
        sample_rate=rate,
        mono=mono,
        start_s=start_s,
        duration_s=most_s,
        allow_cut=True,
    )


def _loudest(path: Path, start_s: Seconds, most_s: Seconds) -> Samples:
    every = _read(path, start_s, most_s, mono=False).samples
    return _centred(every[int(np.argmax(every.std(1)))])


def _centred(samples: Samples) -> Samples:
    if not len(samples):
        return samples
    return np.asarray(samples - samples.mean(dtype=np.float64), np.float32)


def _notices(
    info: AudioInfo, start_s: Seconds, end_s: Seconds, most_s: Seconds
) -> tuple[str, ...]:
    wanted = min(most_s, info.duration_s - start_s)
    if end_s - start_s < wanted - 1.0:
        return (f"cut off after {end_s:.1f} s of {info.duration_s:.1f} s",)
    if info.is_cut and end_s - start_s < most_s:
        return (f"cut off after {end_s:.1f} s: the file lacks its end",)
    if end_s < info.duration_s - 1.0 or start_s > 0:
        part = f"{start_s:.0f} s to {end_s:.0f} s of {info.duration_s:.0f} s"
        return (f"only a part was listened to: {part}",)
    return ()


def _without_path(error: Exception, path: Path) -> str:
    """Return what is wrong, without the name that the record has anyway."""
    text = str(error)
    for start in (f"{path} ", f"Cannot read {path}: "):
        if text.startswith(start):
            return "it " * (start == f"{path} ") + text.removeprefix(start)
    return text
