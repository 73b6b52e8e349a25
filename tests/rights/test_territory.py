from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contrafact.core.errors import ConsentError
from contrafact.rights import COUNTRIES, WORLDWIDE, Territory

territories = st.builds(
    Territory, st.frozensets(st.sampled_from(sorted(COUNTRIES)), min_size=1)
)


@given(territories)
def test_what_is_written_is_read_as_the_same(territory: Territory) -> None:
    """Text and territory go round."""
    assert Territory.parse(str(territory)) == territory


@given(territories, territories)
def test_covering_and_overlapping_are_as_country_by_country(
    a: Territory, b: Territory
) -> None:
    """The sets answer as a look at every country does."""
    assert a.covers(b) == all(c in a.countries for c in b.countries)
    assert a.overlaps(b) == any(c in a.countries for c in b.countries)


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("World", "worldwide"),
        ("DE, fr; US", "DE FR US"),
        ("worldwide except CN RU", "worldwide -CN -RU"),
        ("WW -ru|-CN", "worldwide -CN -RU"),
        (" ".join(sorted(COUNTRIES)), "worldwide"),
    ],
)
def test_territories_are_written_in_many_ways(text: str, written: str) -> None:
    """All become one."""
    assert str(Territory.parse(text)) == written


def test_all_countries_are_the_world() -> None:
    """There is no place beyond the list."""
    assert Territory.parse(" ".join(COUNTRIES)) == WORLDWIDE


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("UK", "Write GB"),
        ("Europe", "ISO 3166"),
        ("", "no country"),
        ("worldwide CN", "Put '-' in front"),
        ("worldwide -UK", "Write GB"),
        ("worldwide -" + " -".join(COUNTRIES), "leaves no country"),
    ],
)
def test_what_is_no_territory_is_refused(text: str, said: str) -> None:
    """A code that is none would never match, so that a reservation would be lost."""
    with pytest.raises(ConsentError, match=said):
        Territory.parse(text)
