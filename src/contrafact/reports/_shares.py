"""The share tables of the HTML report, one for every kind of source."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from contrafact.core.results import Attribution, SourceShare
from contrafact.reports._axes import Bar, Scale
from contrafact.reports._format import (
    DASH,
    decimals_for,
    fixed,
    kind_name,
    p_value,
    percent,
    percent_range,
    plain,
)
from contrafact.reports.headline import (
    NOTICEABLE,
    HeadlinePart,
    headline_parts,
    other_share,
)

N_NAMED = 10
N_COLOURS = 8
_KINDS = ("artist", "collection", "work", "recording", "holder")


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of a share table, all text ready to print."""

    name: str
    detail: str
    colour: str
    bar: Bar
    share: str
    interval: str
    influence: str = DASH
    of_learned: str = DASH
    common: str = DASH


@dataclass(frozen=True, slots=True, kw_only=True)
class ShareTable:
    """The shares by one kind of source."""

    kind: str
    title: str
    column: str
    is_selected: bool
    ticks: tuple[tuple[str, str], ...]
    rows: tuple[Row, ...]
    note: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Slice:
    """One part of the bar below the headline, from `x` on, in per cent."""

    part: HeadlinePart
    colour: str
    x: int


def slices(attribution: Attribution) -> list[Slice]:
    """Return the headline's parts with their colours, left to right."""
    result: list[Slice] = []
    x = 0
    for i, part in enumerate(headline_parts(attribution)):
        colour = f"c{i + 1}" if part.kind == "source" else part.kind
        result.append(Slice(part=part, colour=colour, x=x))
        x += part.percentage
    return result


def colours(attribution: Attribution) -> dict[str, str]:
    """Return the colour class of each name that has one.

    Headline sources first, then the artists of the passages: one colour means
    one name everywhere in the report.
    """
    kind = attribution.by
    n_named = sum(s.part.kind == "source" for s in slices(attribution))
    names = [plain(s.name) for s in attribution.tables[kind][:n_named]]
    names += [plain(p.artist) for p in attribution.passages]
    distinct = list(dict.fromkeys(names))[:N_COLOURS]
    return {name: f"c{i + 1}" for i, name in enumerate(distinct)}


def share_tables(attribution: Attribution) -> list[ShareTable]:
    """Return a table for each kind of source, in a fixed order."""
    known = [k for k in _KINDS if k in attribution.tables]
    others = sorted(k for k in attribution.tables if k not in _KINDS)
    colour_of = colours(attribution)
    return [_table(attribution, kind, colour_of) for kind in [*known, *others]]


def _table(
    attribution: Attribution, kind: str, colour_of: Mapping[str, str]
) -> ShareTable:
    shares, rest = attribution.tables[kind], attribution.unattributed[kind]
    named = shares[:N_NAMED]
    other = other_share(attribution, kind, len(named))
    ends = [v for s in named for v in (s.share, s.interval.high)]
    scale = Scale.over([*ends, other, rest.share, rest.interval.high])
    decimals = decimals_for(s.influence for s in named)
    rows = [
        _row(s, kind, scale, decimals, colour_of.get(plain(s.name), "neutral"))
        for s in named
    ]
    if len(shares) > len(named) or other > NOTICEABLE:
        rows.append(_others(len(shares) - len(named), kind, other, scale))
    return ShareTable(
        kind=kind,
        title=kind_name(kind, 2).capitalize(),
        column=kind_name(kind).capitalize(),
        is_selected=kind == attribution.by,
        ticks=tuple((scale.place(t), percent(t, 0)) for t in scale.ticks),
        rows=(*rows, _rest(attribution, kind, scale)),
        note=_note(shares, kind),
    )


def _row(
    share: SourceShare, kind: str, scale: Scale, decimals: int, colour: str
) -> Row:
    n = share.n_recordings
    facts = [] if kind == "recording" else [f"{n} {kind_name('recording', n)}"]
    if share.p_value is not None:
        facts.append(f"p {p_value(share.p_value)}")
    return Row(
        name=plain(share.name),
        detail=", ".join(facts),
        colour=colour,
        bar=scale.bar(share.share, share.interval),
        share=percent(share.share),
        interval=percent_range(share.interval.low, share.interval.high),
        influence=fixed(share.influence, decimals),
        of_learned=percent(share.of_learned),
        common=fixed(share.common, decimals),
    )


def _others(n: int, kind: str, share: float, scale: Scale) -> Row:
    name = f"{n} other {kind_name(kind, n)}" if n > 0 else "Others, not listed"
    return Row(
        name=name,
        detail="together",
        colour="others",
        bar=scale.bar(share),
        share=percent(share),
        interval=DASH,
    )


def _rest(attribution: Attribution, kind: str, scale: Scale) -> Row:
    rest = attribution.unattributed[kind]
    n = rest.n_sources
    return Row(
        name="Unattributed",
        detail=f"{n} {kind_name(kind, n)} below the noise floor or not told apart",
        colour="unattributed",
        bar=scale.bar(rest.share, rest.interval),
        share=percent(rest.share),
        interval=percent_range(rest.interval.low, rest.interval.high),
    )


def _note(shares: tuple[SourceShare, ...], kind: str) -> str:
    n = sum(s.influence < 0 for s in shares)
    if n == 0:
        return ""
    has, it, was = ("has", "it", "its") if n == 1 else ("have", "them", "their")
    return (
        f"{n} {kind_name(kind, n)} {has} a negative influence: without {it} the model "
        f"would have fitted this song better. {was.capitalize()} share is 0."
    )
