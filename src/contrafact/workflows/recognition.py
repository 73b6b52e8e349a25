"""Recognising recordings that are barred, whatever was done to the file.

What they sound like is kept in one index of fingerprints in the workspace, so
that a file is looked up once, however many they are, and so that they are known
when their own files are gone. Nothing is made, and nothing computed, where
nothing is barred.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from contrafact.catalog import Workspace, read_audio
from contrafact.catalog.recognition import AudioMatcher, Signature, SpectralMatcher
from contrafact.core.entities import Recording
from contrafact.core.errors import AudioError, UnknownEntityError
from contrafact.core.matches import RecordingMatch
from contrafact.matching.fingerprint import SAMPLE_RATE, FingerprintIndex
from contrafact.workflows.progress import Progress, silent
from contrafact.workflows.signatures import file_of, keep_signature, signature_of

__all__ = [
    "FingerprintRecogniser",
    "PairwiseRecogniser",
    "Recognised",
    "Recogniser",
    "make_recogniser",
]

_LONGEST_S = 3600.0
_AT_ONCE = 32
_MAX_FALSE = 0.001
"""Set by `bench/recognition.py`, on works that it does not report on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recognised:
    """A barred recording heard in a file.

    Attributes:
        digest: Of the recording's file.
        method: What heard it, by name and version.
        similarity: In the measure of the method, from its threshold to 1.
        evidence: What was heard, in words.
    """

    digest: str
    method: str
    similarity: float
    evidence: str


class Recogniser(Protocol):
    """Knows recordings again.

    Attributes:
        name: Names the method and its version.
        threshold: Similarity from which a file is taken for a recording.
    """

    name: str
    threshold: float

    def learn(
        self, recordings: Sequence[Recording], *, progress: Progress = silent
    ) -> list[Recording]:
        """Keep what recordings sound like; return those of which nothing is left.

        Raises:
            MatchIndexError: If what is kept is damaged.
            StorageError: If the disk is full or not writable.
        """
        ...

    def hear(self, recording: Recording, among: set[str]) -> Recognised | None:
        """Return the learned recording that is surest in a file, if any.

        Args:
            recording: What is asked about; its file is looked for in the stores,
                then under its own name.
            among: Digests of the recordings that count.

        Raises:
            AudioError: If the file cannot be read.
        """
        ...


def make_recogniser(
    workspace: Workspace, matcher: AudioMatcher | None = None
) -> Recogniser:
    """Return what recognises sound in a workspace: fingerprints, or your matcher."""
    if matcher is None:
        return FingerprintRecogniser(workspace)
    return PairwiseRecogniser(workspace, matcher)


class PairwiseRecogniser:
    """Compares a file with every recording; the seam for matchers of pairs."""

    def __init__(self, workspace: Workspace, matcher: AudioMatcher) -> None:
        """Use a matcher, and what a workspace keeps of its signatures."""
        self.name, self.threshold = matcher.name, matcher.threshold
        self._workspace, self._matcher = workspace, matcher
        self._known: dict[str, Signature] = {}

    def learn(
        self, recordings: Sequence[Recording], *, progress: Progress = silent
    ) -> list[Recording]:
        """Keep signatures; return the recordings of which nothing is left."""
        unheard = []
        for number, recording in enumerate(recordings, start=1):
            try:
                kept = keep_signature(self._workspace, recording, self._matcher)
                self._known[recording.digest] = kept
            except (AudioError, UnknownEntityError):
                unheard.append(recording)
            progress("learning what is reserved", number, len(recordings))
        return unheard

    def hear(self, recording: Recording, among: set[str]) -> Recognised | None:
        """Return the most similar recording, if it is similar enough."""
        known = {d: s for d, s in self._known.items() if d in among}
        if not known:
            return None
        own = signature_of(self._workspace, recording, self._matcher)
        if own is None:
            own = self._matcher.signature(Path(recording.file))
        best, digest = max(
            (self._matcher.similarity(own, other), d) for d, other in known.items()
        )
        if best < self.threshold:
            return None
        evidence = f"similarity {best:.2f}, from {self.threshold} on it is one"
        return Recognised(
            digest=digest, method=self.name, similarity=best, evidence=evidence
        )


class FingerprintRecogniser:
    """Looks a file up in an index of fingerprints; similarity is 1 - p.

    Here p is how often a file without the recording reaches evidence as strong.
    Where that is not enough, spectra are compared with the few recordings that
    the index proposes; and with those that it does not hold, of which an earlier
    version kept spectra and whose files are gone since.
    """

    name = "fingerprint-2"  # with the version of the index that it keeps
    threshold = 1 - _MAX_FALSE

    def __init__(self, workspace: Workspace) -> None:
        """Use the index of a workspace; it is made when something is learned."""
        self._workspace = workspace
        self._folder = workspace.root / "signatures" / self.name
        self._index: FingerprintIndex | None = None
        self._learned: dict[str, Recording] = {}
        self._spectra = PairwiseRecogniser(workspace, SpectralMatcher())

    def learn(
        self, recordings: Sequence[Recording], *, progress: Progress = silent
    ) -> list[Recording]:
        """Add what is missing to the index; return what cannot be recognised."""
        if not recordings:
            return []
        index = FingerprintIndex.create(self._folder)
        known, wanted = set(index.recording_ids), {r.digest: r for r in recordings}
        missing = [r for digest, r in wanted.items() if digest not in known]
        for start in range(0, len(missing), _AT_ONCE):
            batch = missing[start : start + _AT_ONCE]
            index.add_many(self._sounds(batch))
            for recording in batch:  # It stays even if its file is deleted.
                _spectrum(self._workspace, recording)
            done = min(start + _AT_ONCE, len(missing))
            progress("learning what is reserved", done, len(missing))
        held = set(index.recording_ids)
        self._index = index
        self._learned = {d: r for d, r in wanted.items() if d in held}
        return self._spectra.learn([r for d, r in wanted.items() if d not in held])

    def hear(self, recording: Recording, among: set[str]) -> Recognised | None:
        """Return the surest match of the whole file, at most an hour of it."""
        if self._index is not None and among & self._learned.keys():
            path = file_of(self._workspace, recording) or Path(recording.file)
            matches = self._index.identify(_sound(path), max_false_match=1.0)
            matches = tuple(m for m in matches if m.recording_id in among)
            if matches and matches[0].false_match_probability <= _MAX_FALSE:
                return _recognised(matches[0])
            proposed = {m.recording_id for m in matches} & self._learned.keys()
            if found := self._confirmed(recording, proposed):
                return found
        return self._spectra.hear(recording, among - self._learned.keys())

    def _confirmed(self, recording: Recording, proposed: set[str]) -> Recognised | None:
        ear = PairwiseRecogniser(self._workspace, SpectralMatcher())
        ear.learn([self._learned[digest] for digest in sorted(proposed)])
        return ear.hear(recording, proposed)

    def _sounds(
        self, recordings: Sequence[Recording]
    ) -> list[tuple[str, NDArray[np.float32]]]:
        sounds: list[tuple[str, NDArray[np.float32]]] = []
        for recording in recordings:
            path = file_of(self._workspace, recording)
            try:
                if path is not None:
                    sounds.append((recording.digest, _sound(path)))
            except AudioError:
                continue  # It is among those that are not recognised.
        return sounds


def _spectrum(workspace: Workspace, recording: Recording) -> None:
    """Keep a recording's spectra, if it can be read."""
    with contextlib.suppress(AudioError):
        signature_of(workspace, recording, SpectralMatcher())


def _sound(path: Path) -> NDArray[np.float32]:
    audio = read_audio(path, sample_rate=SAMPLE_RATE, duration_s=_LONGEST_S)
    samples: NDArray[np.float32] = audio.samples[0]
    return samples


def _recognised(match: RecordingMatch) -> Recognised:
    p = match.false_match_probability
    said = f"from {match.query_start_s:.1f} s to {match.query_end_s:.1f} s"
    if semitones := round(match.pitch_semitones, 1):
        said += f", {abs(semitones)} semitones {'higher' if semitones > 0 else 'lower'}"
    if percent := round(100 * (match.tempo_ratio - 1)):
        said += f", {abs(percent)} % {'faster' if percent > 0 else 'slower'}"
    return Recognised(
        digest=match.recording_id,
        method=FingerprintRecogniser.name,
        similarity=1 - p,
        evidence=f"{said}; of matches as sure, 1 in {1 / p:,.0f} is wrong",
    )
