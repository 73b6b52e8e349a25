"""What an attribution or a verification found, as plain frozen records.

These cross from `attribution` to `reports`, `cli` and, later, to the ledger.
They hold numbers and text only, so that reading them never needs torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from contrafact.core.units import Seconds

__all__ = [
    "Attribution",
    "HeatMap",
    "Interval",
    "Passage",
    "Profile",
    "QueryInfo",
    "Removal",
    "SourceKind",
    "SourceShare",
    "Unattributed",
    "Verification",
    "attribution_from_json",
    "attribution_to_json",
    "verification_from_json",
    "verification_to_json",
]

SourceKind = Literal["recording", "work", "artist", "holder", "collection"]
Json = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """A closed interval, `low <= high`."""

    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceShare:
    """How much one source shaped the query.

    Attributes:
        share: Part of the positive influence of all sources, in [0, 1].
        interval: Interval of `share`, at the attribution's level.
        influence: Rise of the query's loss had the model been trained without
            the source, in units of the query's loss; may be negative.
        influence_interval: 90 % interval of `influence`.
        of_learned: `influence` over everything training taught about the
            query (untrained loss minus model loss); None where unmeasured.
        common: The part of `influence` that the source has on any query, by
            its mean over the corpus, in units of loss.
        n_recordings: Recordings of the catalog that belong to the source.
        p_value: How often a source stands out as much on songs that it did not
            shape, in (0, 1]; None where no other song is known.
        significant: Whether the source may be named; else its share is 0, and what
            it would have been is part of the unattributed rest.
    """

    id: str
    name: str
    share: float
    interval: Interval
    influence: float
    influence_interval: Interval
    of_learned: float | None
    common: float
    n_recordings: int
    p_value: float | None = None
    significant: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Unattributed:
    """The rest: influence below the noise floor, or not told apart."""

    share: float
    interval: Interval
    n_sources: int


@dataclass(frozen=True, slots=True, kw_only=True)
class HeatMap:
    """Influence of spans of a recording on spans of the query.

    Attributes:
        values: A row a span of the query, a column a span of the recording;
            positive where the one taught the other. Comparable within a map.
        query_start_s: Where the first span of the query begins.
        recording_start_s: Where the first span of the recording begins.
        span_s: Length of a span; the last of a side may be shorter.
    """

    values: tuple[tuple[float, ...], ...]
    query_start_s: Seconds
    recording_start_s: Seconds
    span_s: Seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Passage:
    """A passage of the query and the passage of a recording matched to it.

    Attributes:
        heat_map: Of the windows that the two lie in; None where not made.
    """

    recording_id: str
    title: str
    artist: str
    query_start_s: Seconds
    query_end_s: Seconds
    recording_start_s: Seconds
    recording_end_s: Seconds
    influence: float
    heat_map: HeatMap | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """Through what the influence of the recordings with passages runs.

    Parts have a sign; the absolute values of those of a kind add up to 1.

    Attributes:
        noise_levels: By level, such as `0.25-0.375`; 0 is the music itself, 1 noise
            alone.
        blocks: By block of the layers that run over time, in the model's order.
    """

    noise_levels: Mapping[str, float]
    blocks: Mapping[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class QueryInfo:
    """The song that was explained.

    Attributes:
        prompt: Text it was conditioned on; empty if unknown.
        loss: The model's loss on it (mean squared error of the velocity).
        untrained_loss: The same before training; None where not recorded.
        learned: What part of the loss before training it took away; None where
            that was not recorded.
        least_learned: The same of all but 2 in 100 of the recordings that the model was
            trained on, at the least; of a song that less was learned of, nobody is
            named. None where not measured.
        pitch_semitones: How much higher the file is than what was explained: a
            change of pitch that was looked for, found and undone.
    """

    file: str
    digest: str
    duration_s: Seconds
    prompt: str
    loss: float
    untrained_loss: float | None
    pitch_semitones: float = 0.0
    learned: float | None = None
    least_learned: float | None = None

    @property
    def is_known(self) -> bool:
        """Whether the model knows the song about as well as its training recordings."""
        if self.learned is None or self.least_learned is None:
            return True
        return self.learned >= self.least_learned


@dataclass(frozen=True, slots=True, kw_only=True)
class Attribution:
    """One song, explained.

    Attributes:
        tables: Shares by every kind of source, best first.
        by: The kind of source that was asked for.
        estimator: Its name; `settings` are what it ran with.
        is_calibrated: Whether influence was scaled to measured retraining.
        level: Of the intervals, in (0, 1).
        intervals: What those of shares are to hold at that level: the share that
            retraining gives, as far as it was measured on other models, or
            "noise", the estimate under other noise draws alone.
        provenance: Digests, versions and seeds, for the report.
        command: What to type to get this result again.
        stamp: What the model or its index is marked with for good, such as
            `unlicensed-research`; "" if all it was made from is licensed.
        notices: What must be said with the answer, such as that the model
            holds withdrawn works.
    """

    attribution_id: str
    query: QueryInfo
    model_id: str
    model_digest: str
    corpus_digest: str
    n_recordings: int
    estimator: str
    settings: Mapping[str, Any]
    by: SourceKind
    tables: Mapping[str, tuple[SourceShare, ...]]
    unattributed: Mapping[str, Unattributed]
    passages: tuple[Passage, ...]
    is_calibrated: bool
    provenance: Mapping[str, str]
    command: str
    elapsed_s: Seconds = field(compare=False)
    stamp: str = ""
    notices: tuple[str, ...] = ()
    level: float = 0.9
    intervals: Literal["retraining", "noise"] = "noise"
    profile: Profile | None = None

    @property
    def abstained(self) -> bool:
        """Whether no source of the kind asked for may be named."""
        return not any(share.share > 0 for share in self.shares)

    @property
    def shares(self) -> tuple[SourceShare, ...]:
        """The shares of the kind of source that was asked for."""
        return self.tables[self.by]


@dataclass(frozen=True, slots=True, kw_only=True)
class Removal:
    """What happened to the query's loss without some recordings.

    Attributes:
        kind: `named` by the attribution, `similar` in sound, or `random`.
        loss: The query's loss under the model trained without them.
        rise: `loss` minus the loss under the full model.
        rise_interval: 90 % interval of `rise` over noise draws.
        regenerated: Path of the song regenerated from the same prompt and
            seed, or None.
    """

    kind: Literal["named", "similar", "random"]
    recording_ids: tuple[str, ...]
    loss: float
    rise: float
    rise_interval: Interval
    regenerated: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """The answer checked by training again without what it named."""

    attribution_id: str
    k: int
    loss: float
    removals: tuple[Removal, ...]
    n_draws: int
    seed: int
    elapsed_s: Seconds = field(compare=False)

    def rise(self, kind: str) -> float | None:
        """Return the rise of the removal of this kind, or None."""
        return next((r.rise for r in self.removals if r.kind == kind), None)


def _plain_interval(interval: Interval) -> list[float]:
    return [interval.low, interval.high]


def _share_to_json(share: SourceShare) -> Json:
    plain = asdict(share)
    plain["interval"] = _plain_interval(share.interval)
    plain["influence_interval"] = _plain_interval(share.influence_interval)
    return plain


def _unattributed_to_json(rest: Unattributed) -> Json:
    return {**asdict(rest), "interval": _plain_interval(rest.interval)}


def attribution_to_json(attribution: Attribution) -> Json:
    """Return the attribution as one JSON document.

    `shares` and `unattributed` are those of the kind of source asked for;
    `tables` holds every kind.
    """
    a = attribution
    return {
        "attribution_id": a.attribution_id,
        "query": asdict(a.query),
        "model": {"id": a.model_id, "digest": a.model_digest},
        "corpus": {"digest": a.corpus_digest, "n_recordings": a.n_recordings},
        "estimator": {"name": a.estimator, "settings": dict(a.settings)},
        "by": a.by,
        "level": a.level,
        "intervals": a.intervals,
        "abstained": a.abstained,
        "shares": [_share_to_json(s) for s in a.shares],
        "unattributed": _unattributed_to_json(a.unattributed[a.by]),
        "passages": [asdict(p) for p in a.passages],
        "profile": asdict(a.profile) if a.profile else None,
        "tables": {
            kind: {
                "shares": [_share_to_json(s) for s in shares],
                "unattributed": _unattributed_to_json(a.unattributed[kind]),
            }
            for kind, shares in a.tables.items()
        },
        "is_calibrated": a.is_calibrated,
        "provenance": dict(a.provenance),
        "command": a.command,
        "elapsed_s": a.elapsed_s,
        "stamp": a.stamp,
        "notices": list(a.notices),
    }


def _interval(plain: list[float]) -> Interval:
    return Interval(low=plain[0], high=plain[1])


def _share(plain: Json) -> SourceShare:
    intervals = {k: _interval(plain[k]) for k in ("interval", "influence_interval")}
    return SourceShare(**{**plain, **intervals})


def _passage(plain: Json) -> Passage:
    found = plain.get("heat_map")
    if found is None:
        return Passage(**plain)
    rows = tuple(tuple(row) for row in found["values"])
    return Passage(**{**plain, "heat_map": HeatMap(**{**found, "values": rows})})


def attribution_from_json(document: Json) -> Attribution:
    """Return the attribution that `attribution_to_json` wrote."""
    tables = document["tables"]
    return Attribution(
        attribution_id=document["attribution_id"],
        query=QueryInfo(**document["query"]),
        model_id=document["model"]["id"],
        model_digest=document["model"]["digest"],
        corpus_digest=document["corpus"]["digest"],
        n_recordings=document["corpus"]["n_recordings"],
        estimator=document["estimator"]["name"],
        settings=document["estimator"]["settings"],
        by=document["by"],
        tables={
            kind: tuple(_share(s) for s in table["shares"])
            for kind, table in tables.items()
        },
        unattributed={
            kind: Unattributed(
                **{
                    **table["unattributed"],
                    "interval": _interval(table["unattributed"]["interval"]),
                }
            )
            for kind, table in tables.items()
        },
        passages=tuple(_passage(p) for p in document["passages"]),
        profile=Profile(**found) if (found := document.get("profile")) else None,
        is_calibrated=document["is_calibrated"],
        provenance=document["provenance"],
        command=document["command"],
        elapsed_s=document["elapsed_s"],
        stamp=document.get("stamp", ""),
        notices=tuple(document.get("notices", ())),
        level=document.get("level", 0.9),
        intervals=document.get("intervals", "noise"),
    )


def verification_to_json(verification: Verification) -> Json:
    """Return the verification as one JSON document."""
    plain = asdict(verification)
    plain["removals"] = [
        {**asdict(r), "rise_interval": _plain_interval(r.rise_interval)}
        for r in verification.removals
    ]
    return plain


def verification_from_json(document: Json) -> Verification:
    """Return the verification that `verification_to_json` wrote."""
    removals = tuple(
        Removal(
            **{
                **r,
                "recording_ids": tuple(r["recording_ids"]),
                "rise_interval": _interval(r["rise_interval"]),
            }
        )
        for r in document["removals"]
    )
    return Verification(**{**document, "removals": removals})
