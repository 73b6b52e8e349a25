"""One piece of audio in, one record of evidence out, whatever the piece is.

What cannot be read, is silent or is too short gives a record that says so, and
no match; nothing a stranger sends raises here.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from contrafact.audit.credentials import Credentials
from contrafact.catalog import (
    Audio,
    AudioInfo,
    digest_file,
    read_audio,
    read_info,
    read_tags,
)
from contrafact.core.errors import AudioError, AuditError, CatalogError
from contrafact.core.evidence import Evidence
from contrafact.core.units import Seconds
from contrafact.matching import fingerprint, style, versions
from contrafact.matching.evidence import shifted
from contrafact.workflows.mark import read_marks
from contrafact.workflows.match_indexes import (
    RATE,
    MatchIndexes,
    Samples,
    resampled,
)

__all__ = ["Heard", "Listening", "evidence_in", "hear", "listen"]

_SILENT_BELOW = 1e-4
_SHORTEST_S: Seconds = 1.0
_MOST_BYTES_SIGNED = 256 << 20
_LEAD_IN_S: Seconds = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Listening:
    """How a piece is listened to.

    Attributes:
        most_s: At most so much of it, in seconds above 0.
        is_excerpt: Whether to skip up to 30 s at the beginning of a piece that
            is longer, since what begins there is often not yet the piece.
        max_false_match: Of recordings: the highest false-match probability.
        max_p: Of works: the highest p-value.
        max_style_p: Of style: the highest p-value.
        has_marks: Whether to read tags and content credentials.
    """

    most_s: Seconds = 600.0
    is_excerpt: bool = False
    max_false_match: float = 0.01
    max_p: float = 0.01
    max_style_p: float = 0.05
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
        if float(np.abs(self.samples).max(initial=0.0)) < _SILENT_BELOW:
            return "it is silent: nothing can be heard in it"
        n = len(self.samples)
        if n < _SHORTEST_S * RATE:
            return f"it lasts {n / RATE:.3f} s; at least 1 s is needed"
        return ""


def listen(path: Path, indexes: MatchIndexes, how: Listening) -> Evidence:
    """Return what is recognised in a file; never raises for what is in it."""
    try:
        digest = str(digest_file(path))
        heard = hear(path, how)
    except CatalogError as error:
        return Evidence(file=str(path), problem=_without_path(error, path))
    except OSError as error:
        return Evidence(file=str(path), problem=error.strerror or str(error))
    found = evidence_in(heard, indexes, how, file=str(path))
    found = replace(found, digest=digest)
    return _with_marks(found, path) if how.has_marks else found


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
    found = replace(
        base,
        recordings=indexes.fingerprints.identify(
            resampled(heard.samples, RATE, fingerprint.SAMPLE_RATE),
            max_false_match=how.max_false_match,
        ),
        works=indexes.versions.identify(
            resampled(heard.samples, RATE, versions.SAMPLE_RATE), max_p=how.max_p
        ),
        style=indexes.style.identify(
            resampled(heard.samples, RATE, style.SAMPLE_RATE), max_p=how.max_style_p
        ),
    )
    return shifted(found, heard.start_s)


def hear(path: Path, how: Listening) -> Heard:
    """Decode the part of a file that is listened to.

    A file that is cut off is heard as far as it goes. Channels are mixed; if
    they cancel each other out, the loudest is taken.

    Raises:
        AudioError: If it is not audio, or holds NaN or infinite values.
    """
    info = read_info(path)
    start_s = _start(info, how)
    samples = _mixed(path, info, start_s, how.most_s)
    end_s = start_s + len(samples) / RATE
    return Heard(
        samples=samples,
        start_s=start_s,
        duration_s=max(info.duration_s, end_s),
        notices=_notices(info, start_s, end_s, how),
    )


def _start(info: AudioInfo, how: Listening) -> Seconds:
    if not how.is_excerpt:
        return 0.0
    return max(0.0, min(_LEAD_IN_S, (info.duration_s - how.most_s) / 2))


def _mixed(path: Path, info: AudioInfo, start_s: Seconds, most_s: Seconds) -> Samples:
    try:
        samples = _centred(_read(path, start_s, most_s).samples[0])
    except AudioError:  # a whole file whose mix is silent; or the next call says why
        if info.n_channels == 1:
            raise
        samples = np.zeros(0, np.float32)
    if info.n_channels > 1 and np.abs(samples).max(initial=0.0) < _SILENT_BELOW:
        samples = _loudest(path, start_s, min(most_s, 60.0))
    return samples


def _read(path: Path, start_s: Seconds, most_s: Seconds, *, mono: bool = True) -> Audio:
    return read_audio(
        path,
        sample_rate=RATE,
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
    info: AudioInfo, start_s: Seconds, end_s: Seconds, how: Listening
) -> tuple[str, ...]:
    wanted = min(how.most_s, info.duration_s - start_s)
    if end_s - start_s < wanted - 1.0:
        return (f"cut off after {end_s:.1f} s of {info.duration_s:.1f} s",)
    if end_s < info.duration_s - 1.0 or start_s > 0:
        part = f"{start_s:.0f} s to {end_s:.0f} s of {info.duration_s:.0f} s"
        return (f"only a part was listened to: {part}",)
    return ()


def _with_marks(found: Evidence, path: Path) -> Evidence:
    tags: dict[str, str] | None = None
    credentials: dict[str, Any] | None = None
    try:
        tags = read_tags(path)
        if path.stat().st_size <= _MOST_BYTES_SIGNED:
            credentials = _said(read_marks(path))
    except (CatalogError, AuditError, OSError):
        pass  # stays "not measured"
    return replace(found, tags=tags, credentials=credentials)


def _said(credentials: Credentials) -> dict[str, Any]:
    return {
        "state": credentials.state,
        "is_ai": credentials.is_ai,
        "reason": credentials.reason,
        "signer": credentials.signer,
        "claim": credentials.claim,
    }


def _without_path(error: Exception, path: Path) -> str:
    """Return what is wrong, without the name that the record has anyway."""
    text = str(error)
    for start in (f"{path} ", f"Cannot read {path}: "):
        if text.startswith(start):
            return "it " * (start == f"{path} ") + text.removeprefix(start)
    return text
