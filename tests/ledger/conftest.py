"""Small markets to test with, and strategies that draw them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import strategies as st

from contrafact.audit.merkle import HashTree, leaf_hash
from contrafact.ledger._tables import METADATA
from contrafact.ledger.case import Case, Facts, Places, Size, make_usage
from contrafact.ledger.journal import Journal
from contrafact.ledger.rates import PlanLine, SplitPlan
from contrafact.ledger.records import (
    Holding,
    OutputAttribution,
    PlayEvent,
    ShareRecord,
)

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def play(number: int, output: str, amount: int = 10, **changes: object) -> PlayEvent:
    """Return a play at noon, in euro cents."""
    plain: dict[str, object] = {
        "event_id": f"e{number}",
        "output_id": output,
        "at": NOON,
        "amount_minor": amount,
        "currency": "EUR",
        "user": "u",
    }
    return PlayEvent(**plain | changes)  # type: ignore[arg-type]


def attribution(output: str, **shares: Fraction | str) -> OutputAttribution:
    """Return an attribution; each interval reaches a tenth of the share around it."""
    exact = {name: Fraction(share) for name, share in shares.items()}
    return OutputAttribution(
        output_id=output,
        attribution_id=f"A-{output}",
        model="m",
        corpus="c",
        shares=tuple(
            ShareRecord(
                output_id=output,
                source_id=name,
                share=share,
                low=share * Fraction(9, 10),
                high=min(Fraction(1), share * Fraction(11, 10)),
                is_significant=share > 0,
            )
            for name, share in exact.items()
        ),
        unattributed=1 - sum(exact.values()),
    )


def holding(
    source: str, payee: str | None, fraction: str = "1", **changes: object
) -> Holding:
    """Return a part of the master of a recording, worldwide and for good."""
    plain: dict[str, object] = {
        "source_id": source,
        "right": "master",
        "payee": payee,
        "fraction": Fraction(fraction),
    }
    return Holding(**plain | changes)  # type: ignore[arg-type]


def facts(**minutes: int) -> Facts:
    """Return facts on recordings of so many minutes, half-believed."""
    return Facts(
        sizes={s: Size(duration_ms=60_000 * m) for s, m in minutes.items()},
        reliability=dict.fromkeys(minutes, Fraction(1, 2)),
    )


def case_of(
    plays: list[PlayEvent],
    attributions: list[OutputAttribution],
    known: Facts,
    holdings: list[Holding] | None = None,
) -> Case:
    """Return a case of masters."""
    return Case(
        right="master",
        usage=make_usage(plays, places=Places(holdings or [])),
        attributions={a.output_id: a for a in attributions},
        facts=known,
    )


@st.composite
def markets(draw: st.DrawFn) -> tuple[Case, list[Holding], list[PlayEvent]]:
    """Draw plays, attributions, facts and holdings, with every sort of gap."""
    sources = [f"r{i}" for i in range(draw(st.integers(0, 5)))]
    outputs = [f"o{i}" for i in range(draw(st.integers(0, 4)))]
    cut = st.integers(0, 100)
    attributions = []
    for output in outputs:
        if draw(st.booleans()):
            parts = {s: draw(cut) for s in sources}
            whole = sum(parts.values()) + draw(st.integers(1, 100))
            shares = {s: Fraction(p, whole) for s, p in parts.items()}
            attributions.append(attribution(output, **shares))
    plays = [
        play(
            n,
            draw(st.sampled_from(outputs)),
            draw(st.integers(0, 10**6)),
            user=draw(st.sampled_from("uvw")),
            territory=draw(st.sampled_from(["", "DE", "FR"])),
        )
        for n in range(draw(st.integers(0, 8)) if outputs else 0)
    ]
    plays += [
        play(100 + n, "", draw(st.integers(0, 999)), kind="subscription", user="vwx"[n])
        for n in range(draw(st.integers(0, 3)))
    ]
    holdings = [
        holding(
            source,
            draw(st.sampled_from(["ann", "bob", "cid", None])),
            draw(st.sampled_from(["1", "1/2", "1/3", "2/3"])),
            territory=draw(st.sampled_from([None, frozenset({"DE"})])),
        )
        for source in sources
        for _ in range(draw(st.integers(0, 2)))
    ]
    known = facts(**{s: draw(st.integers(1, 9)) for s in sources})
    utilities = {
        output: {
            frozenset(c): Fraction(draw(st.integers(-5, 9)))
            for c in ((), ("g",), ("h",), ("g", "h"))
        }
        for output in outputs
        if len(sources) > 1 and draw(st.booleans())
    }
    groups = {"g": tuple(sources[:1]), "h": tuple(sources[1:])}
    known = Facts(
        sizes=known.sizes,
        reliability={s: Fraction(draw(st.integers(0, 4)), 4) for s in sources},
        utilities=utilities,
        groups=groups,
    )
    return case_of(plays, attributions, known, holdings), holdings, plays


@pytest.fixture(scope="session")
def make() -> SimpleNamespace:
    """Return the functions that make records and cases."""
    return SimpleNamespace(
        play=play,
        attribution=attribution,
        holding=holding,
        facts=facts,
        case=case_of,
        noon=NOON,
    )


@pytest.fixture(scope="session")
def any_market() -> st.SearchStrategy[tuple[Case, list[Holding], list[PlayEvent]]]:
    """Return a strategy of markets."""
    return markets()


_POSTGRES = os.environ.get("CONTRAFACT_TEST_POSTGRES_URL")
BACKENDS = ["sqlite", *(["postgres"] if _POSTGRES else [])]


@pytest.fixture(params=BACKENDS)
def journal_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Give the URL of an empty journal; on PostgreSQL too where there is one."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'ledger.sqlite'}"
        return
    assert _POSTGRES is not None
    with Journal.open(_POSTGRES) as journal:
        METADATA.drop_all(journal._engine)
    yield _POSTGRES


@pytest.fixture
def journal(journal_url: str) -> Iterator[Journal]:
    """Give an empty journal."""
    with Journal.open(journal_url) as opened:
        yield opened


@pytest.fixture
def plays() -> Callable[..., list[PlayEvent]]:
    """Return a function that makes plays of three songs, one an hour."""

    def make(count: int, *, start: datetime = NOON, first: int = 0) -> list[PlayEvent]:
        return [
            play(
                number,
                f"song-{number % 3}",
                number % 7,
                at=start + timedelta(hours=number),
                territory="DE",
            )
            for number in range(first, first + count)
        ]

    return make


@pytest.fixture
def plan() -> Callable[..., SplitPlan]:
    """Return a function that makes a plan from payees and weights."""

    def make(output: str = "song-0", *, held: str = "0", **more: object) -> SplitPlan:
        days = {name: more.pop(name) for name in _PLAN if name in more}
        parts = {k: Fraction(str(v)) for k, v in more.items()}
        rest = 1 - sum(parts.values()) - Fraction(held)
        lines = [
            PlanLine(
                bucket="attributed",
                payee=payee,
                right="master",
                source_id=f"R-{payee}",
                weight=weight,
                share=weight,
                low=weight / 2,
                high=min(weight * 2, Fraction(1)),
                fraction=Fraction(1),
            )
            for payee, weight in parts.items()
        ]
        if rest:
            lines.append(
                PlanLine(
                    bucket="background",
                    payee="label",
                    right="master",
                    source_id="",
                    weight=rest,
                )
            )
        if Fraction(held):
            lines.append(
                PlanLine(
                    bucket="unmatched",
                    payee=None,
                    right="master",
                    source_id="R-x",
                    weight=Fraction(held),
                    hold_reason="no holder on record",
                )
            )
        plain: dict[str, object] = {
            "output_id": output,
            "lines": tuple(lines),
            "attribution_id": f"A-{output}",
            "model": "m" * 64,
            "corpus": "c" * 64,
            "policy": "influence/1",
            "valid_from": date(1971, 1, 1),
        }
        return SplitPlan(**plain | days)  # type: ignore[arg-type]

    return make


_PLAN = ("valid_from", "valid_until", "territory", "replaces", "policy")


@pytest.fixture
def tree() -> Callable[..., HashTree]:
    """Return what makes Merkle trees."""
    return lambda leaves: HashTree(map(leaf_hash, leaves))
