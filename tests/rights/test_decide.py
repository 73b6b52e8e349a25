"""The rule of decision, held to a slow and obvious twin."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import date, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contrafact.core.errors import ConsentError
from contrafact.rights import (
    COUNTRIES,
    WORLDWIDE,
    Consent,
    Right,
    SubjectKind,
    Territory,
    Use,
    decide,
)

Make = Callable[..., Consent]
DAY = date(2026, 3, 1)
USE = Use.TRAIN_GENERATIVE
FRANCE = Territory.parse("FR")

days = st.none() | st.integers(-3, 3).map(lambda n: DAY + timedelta(days=n))
places = st.sampled_from(
    [
        WORLDWIDE,
        FRANCE,
        *map(Territory.parse, ("DE FR", "DE", "worldwide -FR", "worldwide -DE -FR")),
    ]
)


@st.composite
def consents(draw: st.DrawFn) -> Consent:
    """Draw a consent near the day, with all that may keep it from counting."""
    first, last = draw(days), draw(days)
    if first and last and last < first:
        first, last = last, first
    return Consent(
        right=draw(st.sampled_from(Right)),
        subject_kind=SubjectKind.RECORDING,
        subject_id="R",
        grantor=draw(st.sampled_from(["A", "B"])),
        use=draw(st.sampled_from([USE, USE, Use.IDENTIFICATION])),
        is_allowed=draw(st.integers(0, 3)) > 0,
        territory=draw(places),
        valid_from=first,
        valid_until=last,
        source="drawn",
        source_digest=str(draw(st.integers(0, 10))),
        signal_date=draw(days),
        revoked_from=draw(days),
    )


def slowly(found: Iterable[Consent], territory: Territory) -> bool:
    """Decide country by country, right by right, consent by consent."""
    found = list(found)
    for country in COUNTRIES:
        if country not in territory.countries:
            continue
        for right in ("master", "composition"):
            is_allowed = False
            for c in found:
                if c.right != right or c.use != USE:
                    continue
                if country not in c.territory.countries:
                    continue
                if c.signal_date is not None and c.signal_date > DAY:
                    continue
                if c.valid_from is not None and c.valid_from > DAY:
                    continue
                if c.valid_until is not None and c.valid_until < DAY:
                    continue
                if c.revoked_from is not None and c.revoked_from <= DAY:
                    continue
                if not c.is_allowed:
                    return False
                is_allowed = True
            if not is_allowed:
                return False
    return True


@settings(max_examples=250)
@given(st.lists(consents(), max_size=8), places)
def test_it_decides_as_its_slow_twin(found: list[Consent], where: Territory) -> None:
    """Sets of countries give what a look at every country gives."""
    decision = decide(found, use=USE, territory=where, on=DAY)
    assert decision.is_allowed == slowly(found, where)


@given(st.lists(consents(), max_size=8), st.randoms(use_true_random=False))
def test_the_order_does_not_matter(found: list[Consent], random: object) -> None:
    """The decision, its reason and its conflicts are the same in any order."""
    shuffled = list(found)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert decide(found, use=USE, territory=WORLDWIDE, on=DAY) == decide(
        shuffled, use=USE, territory=WORLDWIDE, on=DAY
    )


@given(st.lists(consents(), max_size=8), consents(), places)
def test_a_reservation_more_never_allows(
    found: list[Consent], more: Consent, where: Territory
) -> None:
    """The most restrictive wins: no reservation opens what was shut."""
    before = decide(found, use=USE, territory=where, on=DAY)
    after = decide([*found, more], use=USE, territory=where, on=DAY)
    if not more.is_allowed:
        assert before.is_allowed or not after.is_allowed
    else:
        assert after.is_allowed or not before.is_allowed


@given(st.lists(consents(), max_size=8))
def test_what_it_rests_on_is_enough(found: list[Consent]) -> None:
    """The consents it names give the same answer without the others."""
    decision = decide(found, use=USE, territory=WORLDWIDE, on=DAY)
    again = decide(decision.consents, use=USE, territory=WORLDWIDE, on=DAY)
    assert again.is_allowed == decision.is_allowed


@given(st.lists(consents(), max_size=8))
def test_every_conflict_is_listed_once(found: list[Consent]) -> None:
    """As a look at every pair finds them."""
    unique = list(
        {c.id: c for c in found if c.use is USE and c.is_in_force(DAY)}.values()
    )
    pairs = {
        (a.id, r.id)
        for a in unique
        for r in unique
        if a.is_allowed and not r.is_allowed and a.right is r.right
        if a.territory.countries & r.territory.countries
    }
    listed = decide(unique, use=USE, territory=WORLDWIDE, on=DAY).conflicts
    assert sorted((c.allowing.id, c.reserving.id) for c in listed) == sorted(pairs)


def _both(consent: Make, **changes: object) -> list[Consent]:
    return [consent(right=right, **changes) for right in Right]


def test_one_right_is_not_enough(consent: Make) -> None:
    """The label alone cannot allow it, and the answer says who is missing."""
    decision = decide([consent()], use=USE, territory=WORLDWIDE, on=DAY)
    assert not decision.is_allowed
    assert decision.reason == "no consent for the composition"
    both = decide(_both(consent), use=USE, territory=WORLDWIDE, on=DAY)
    assert both.is_allowed
    assert [c.right for c in both.consents] == [
        c.right for c in sorted(_both(consent), key=lambda c: c.id)
    ]


def test_absence_means_no() -> None:
    """Nothing known is nothing allowed."""
    assert not decide([], use=USE, territory=FRANCE, on=DAY).is_allowed


def test_another_use_is_not_allowed_by_it(consent: Make) -> None:
    """Each use needs its own permission."""
    found = _both(consent, use=Use.IDENTIFICATION)
    assert not decide(found, use=USE, territory=FRANCE, on=DAY).is_allowed


def test_a_newer_permission_does_not_lift_a_reservation(consent: Make) -> None:
    """A feed that is sent again does not undo a withdrawal."""
    no = consent(is_allowed=False, signal_date=date(2025, 1, 1))
    found = [*_both(consent, signal_date=date(2026, 1, 1)), no]
    decision = decide(found, use=USE, territory=WORLDWIDE, on=DAY)
    assert not decision.is_allowed
    assert decision.consents == (no,)
    [conflict] = decision.conflicts
    assert conflict.reserving == no
    assert str(conflict).count("(table.csv:2)") == 2


def test_a_signal_counts_from_its_day(consent: Make) -> None:
    """The day before a reservation was said, the answer was yes; then no."""
    said = date(2026, 1, 10)
    found = [*_both(consent), consent(is_allowed=False, signal_date=said)]
    before = said - timedelta(days=1)
    assert decide(found, use=USE, territory=FRANCE, on=before).is_allowed
    assert not decide(found, use=USE, territory=FRANCE, on=said).is_allowed


def test_first_and_last_day_count(consent: Make) -> None:
    """Both ends belong to the term; revocation counts from its day."""
    ends = {"valid_from": date(2026, 1, 1), "valid_until": date(2026, 1, 31)}
    found = _both(consent, **ends)
    for day, expected in ((1, True), (31, True)):
        on = date(2026, 1, day)
        assert decide(found, use=USE, territory=FRANCE, on=on).is_allowed is expected
    for on in (date(2025, 12, 31), date(2026, 2, 1)):
        assert not decide(found, use=USE, territory=FRANCE, on=on).is_allowed
    revoked = _both(consent, revoked_from=DAY)
    assert not decide(revoked, use=USE, territory=FRANCE, on=DAY).is_allowed


def test_territories_add_up(consent: Make) -> None:
    """France from one and Germany from another allow both, but not more."""
    found = [
        *_both(consent, territory=FRANCE),
        *_both(consent, territory=Territory.parse("DE"), grantor="Other"),
    ]
    both = Territory.parse("DE FR")
    assert decide(found, use=USE, territory=both, on=DAY).is_allowed
    more = decide(found, use=USE, territory=Territory.parse("AT DE"), on=DAY)
    assert not more.is_allowed
    assert "in AT" in more.reason


def test_a_reservation_elsewhere_does_not_matter(consent: Make) -> None:
    """What is reserved in France may be used in Germany; not a conflict there."""
    found = [*_both(consent), consent(is_allowed=False, territory=FRANCE)]
    decision = decide(found, use=USE, territory=Territory.parse("DE"), on=DAY)
    assert decision.is_allowed
    assert decision.conflicts == ()


def test_days_that_run_backwards_are_refused(consent: Make) -> None:
    """The record cannot be made."""
    with pytest.raises(ConsentError, match="runs backwards"):
        consent(valid_from=date(2026, 2, 1), valid_until=date(2026, 1, 1))


def test_a_place_cannot_allow(consent: Make) -> None:
    """Only reserve."""
    with pytest.raises(ConsentError, match="only reserve"):
        consent(subject_kind=SubjectKind.LOCATION)


def test_an_id_is_made_from_all_of_the_content(consent: Make) -> None:
    """Every field that matters changes it; where it stands does not."""
    changes = {
        "right": Right.COMPOSITION,
        "subject_kind": SubjectKind.WORK,
        "subject_id": "other",
        "grantor": "other",
        "use": Use.IDENTIFICATION,
        "is_allowed": False,
        "territory": FRANCE,
        "valid_from": DAY,
        "valid_until": DAY,
        "is_revocable": False,
        "source_digest": "1" * 64,
        "signal_date": DAY,
        "title": "Another",
    }
    ids = {consent(**{name: value}).id for name, value in changes.items()}
    assert len(ids | {consent().id}) == len(changes) + 1
    assert consent(source="elsewhere").id == consent().id
