"""What was recognised in a piece of audio, as plain frozen records.

These cross from `matching` to `reports` and `cli`. They hold numbers and text
only. None of them is influence: what is alike need not have shaped anything.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from contrafact.core.units import Seconds

__all__ = [
    "ASPECTS",
    "Aspect",
    "AspectMatch",
    "AspectSpan",
    "OriginEvidence",
    "OriginFinding",
    "RecordingMatch",
    "Verdict",
    "WorkMatch",
]

Aspect = Literal["melody", "harmony", "rhythm"]
ASPECTS: tuple[Aspect, ...] = ("melody", "harmony", "rhythm")
Verdict = Literal["ai", "human", "unknown"]
Json = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingMatch:
    """The same recording, found in the query.

    Attributes:
        pitch_semitones: By how much the query is higher than the recording.
        tempo_ratio: Tempo of the query over that of the recording, above 0.
        false_match_probability: What share of the answers with evidence as strong
            is wrong, if two queries of three hold nothing known, in [0, 1].
    """

    recording_id: str
    query_start_s: Seconds
    query_end_s: Seconds
    reference_start_s: Seconds
    reference_end_s: Seconds
    pitch_semitones: float
    tempo_ratio: float
    false_match_probability: float


@dataclass(frozen=True, slots=True, kw_only=True)
class AspectSpan:
    """A span of the query and the span of the recording it resembles.

    Attributes:
        tempo_map: Times that belong together, (query, recording), ascending;
            empty where they were not followed.
    """

    query_start_s: Seconds
    query_end_s: Seconds
    reference_start_s: Seconds
    reference_end_s: Seconds
    tempo_map: tuple[tuple[Seconds, Seconds], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class AspectMatch:
    """How alike two pieces are in one aspect.

    Attributes:
        score: Comparable within one aspect only; higher is more alike.
        p_value: How often an unrelated work of the catalog scores as high, in
            (0, 1].
        spans: Where, best first; empty if the aspect does not match.
    """

    score: float
    p_value: float
    spans: tuple[AspectSpan, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkMatch:
    """The same work in another performance, or its substance.

    Attributes:
        work_id: The work; that of the recording if it names none.
        recording_id: The recording of it that is most alike.
        joint: The p-value of all aspects together, in (0, 1].
        aspects: Every aspect that was measured.
        transposition_semitones: By how much the query is higher.
        tempo_ratio: Tempo of the query over that of the recording, above 0.
    """

    work_id: str
    recording_id: str
    joint: float
    aspects: Mapping[Aspect, AspectMatch]
    transposition_semitones: float
    tempo_ratio: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class OriginEvidence:
    """What one kind of evidence says of the generator.

    Attributes:
        kind: Which evidence, such as `residual` or `declared`.
        score: Comparable within one kind only.
        p_value: How often human recordings score as high, in (0, 1]; None
            where the evidence is a declaration, not a measurement.
        detail: What was found, in words.
        generator: The generator that it names; None if it names none.
    """

    kind: str
    score: float
    p_value: float | None
    detail: str = ""
    generator: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OriginFinding:
    """Which generator made a piece of audio, or that this cannot be said.

    Attributes:
        verdict: `unknown` where neither can be said.
        generator: The name it was enrolled under, or that the file or the register
            of outputs gives; None unless it is named.
        probability: Of the verdict, in [0, 1].
        false_positive_rate: Of human recordings, how many would be called so.
        description: What the sound shows of its decoder, in words.
    """

    verdict: Verdict
    generator: str | None
    probability: float
    false_positive_rate: float
    evidence: tuple[OriginEvidence, ...] = ()
    description: str = ""
    measurements: Mapping[str, float] = field(default_factory=dict)

    def to_json(self) -> Json:
        """Return it as JSON, fields by name."""
        return asdict(self)
