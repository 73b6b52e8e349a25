"""Heat maps, ready to be drawn."""

from __future__ import annotations

from contrafact.core.results import HeatMap
from contrafact.reports._heat import heat


def of(*rows: tuple[float, ...]) -> HeatMap:
    """A map of half-second spans."""
    return HeatMap(values=rows, query_start_s=8.0, recording_start_s=60.0, span_s=0.5)


def test_cells_are_as_dark_as_their_part_of_the_largest() -> None:
    """What is negative or next to nothing is not drawn."""
    found = heat(of((4.0, 1.0, 0.01), (-8.0, 0.0, 2.0)))
    assert found is not None
    assert (found.n_columns, found.n_rows) == (3, 2)
    assert found.cells == ((0, 0, "1.00"), (1, 0, "0.25"), (2, 1, "0.50"))
    assert "0:08.0 to 0:09.0" in found.label
    assert "1:00.0 to 1:01.5" in found.label


def test_a_map_without_positive_influence_is_not_drawn() -> None:
    """Nor is one that was not made, or is not finite."""
    for values in ((), ((0.0, -1.0),), ((float("nan"),),), ((float("inf"),),)):
        assert (
            heat(HeatMap(values=values, query_start_s=0, recording_start_s=0, span_s=1))
            is None
        )
    assert heat(None) is None
