"""The verification as a bar chart of the HTML report."""

from __future__ import annotations

from dataclasses import dataclass

from contrafact.core.results import Interval, Removal, Verification
from contrafact.reports._axes import Bar, Scale
from contrafact.reports._format import (
    DASH,
    decimals_for,
    fixed,
    percent,
    percent_range,
    plain,
)
from contrafact.reports.verdict import relative_rise, verdict

_ONE_PERCENT = 0.01
_NAMES = {
    "named": "Without the {k} named",
    "similar": "Without the {k} most similar",
    "random": "Without {k} random ones",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class RiseRow:
    """One removal: how much the loss rose, ready to print."""

    name: str
    kind: str
    bar: Bar
    rise: str
    interval: str
    loss: str
    loss_rise: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """The verification, ready to print; the axis is the rise over `loss`."""

    verdict: str
    rows: tuple[RiseRow, ...]
    ticks: tuple[tuple[str, str], ...]
    zero: str
    k: int
    n_draws: int
    seed: int
    loss: str


def check(verification: Verification) -> Check:
    """Return the verification by relative rise, in the order given."""
    relative = [_relative(verification, r) for r in verification.removals]
    values = [v for rise, i in relative for v in (rise, i.low, i.high)]
    scale = Scale.over(values)
    decimals = decimals_for([verification.loss]) + 1
    rows = [
        RiseRow(
            name=_NAMES.get(r.kind, plain(r.kind)).format(k=len(r.recording_ids)),
            kind=r.kind,
            bar=scale.bar(rise, interval),
            rise=percent(rise),
            interval=percent_range(interval.low, interval.high),
            loss=fixed(r.loss, decimals),
            loss_rise=fixed(r.rise, decimals),
        )
        for r, (rise, interval) in zip(verification.removals, relative, strict=True)
    ]
    digits = 0 if scale.ticks[1] - scale.ticks[0] >= _ONE_PERCENT else 1
    return Check(
        verdict=verdict(verification),
        rows=tuple(rows),
        ticks=tuple((scale.place(t), percent(t, digits)) for t in scale.ticks),
        zero=scale.place(0.0),
        k=verification.k,
        n_draws=verification.n_draws,
        seed=verification.seed,
        loss=fixed(verification.loss, decimals) if verification.removals else DASH,
    )


def _relative(verification: Verification, removal: Removal) -> tuple[float, Interval]:
    low, rise, high = (
        relative_rise(verification, v)
        for v in (
            removal.rise_interval.low,
            removal.rise,
            removal.rise_interval.high,
        )
    )
    nan = float("nan")
    interval = Interval(
        low=nan if low is None else low, high=nan if high is None else high
    )
    return nan if rise is None else rise, interval
