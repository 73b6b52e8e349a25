from __future__ import annotations

import numpy as np

from contrafact.matching.collapse import GENERIC_FROM, diagnose


def test_independent_lists_are_not_generic(rng: np.random.Generator) -> None:
    """Scores without any structure give figures near 0 and are not refused."""
    found = diagnose(rng.random(300), rng.random((40, 300)), layer="style")
    assert not found.is_generic
    assert max(found.overlap, found.own_overlap, found.concentration) < 0.1
    assert found.rank1_energy < 0.1


def test_one_list_for_all_is_refused(rng: np.random.Generator) -> None:
    """If hubs head every list, all figures are near 1 and the reason says so."""
    hubs = np.linspace(10, 0, 300)
    panel = hubs + 0.001 * rng.random((40, 300))
    found = diagnose(hubs, panel, layer="style")
    assert found.is_generic
    assert min(found.overlap, found.own_overlap, found.rank1_energy) > 0.9
    assert found.concentration > 0.9
    assert "generic" in found.reason


def test_a_query_of_its_own_in_a_sound_catalog_is_kept(
    rng: np.random.Generator,
) -> None:
    """A list that nobody else gets is not refused."""
    panel = rng.random((40, 300))
    own = np.zeros(300)
    own[:10] = 1.0
    found = diagnose(own, panel, layer="work")
    assert found.own_overlap < GENERIC_FROM
    assert not found.is_generic


def test_a_query_that_gets_the_hubs_of_a_sound_catalog_is_refused(
    rng: np.random.Generator,
) -> None:
    """Most lists share a few hubs; a list of nothing but them is refused."""
    panel = rng.random((40, 300))
    panel[:, :10] += np.where(rng.random((40, 10)) < 0.75, 1.0, 0.0)
    own = np.zeros(300)
    own[:10] = 1.0
    assert diagnose(own, panel, layer="style").own_overlap >= GENERIC_FROM
    assert diagnose(own, panel, layer="style").is_generic


def test_lists_of_nothing_agree_with_nobody() -> None:
    """Queries that resemble nothing share no list, not an empty one."""
    found = diagnose(np.zeros(60), np.zeros((20, 60)), layer="work")
    assert (found.overlap, found.own_overlap, found.is_generic) == (0.0, 0.0, False)


def test_too_little_to_compare_with_is_said(rng: np.random.Generator) -> None:
    """Without a panel nothing is refused, and the record says why."""
    found = diagnose(rng.random(30), rng.random((2, 30)), layer="style")
    assert not found.is_generic
    assert "2 other queries" in found.reason
