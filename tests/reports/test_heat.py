"""Heat maps, ready to be drawn."""

from __future__ import annotations

import base64
import io

import numpy as np
import soundfile

from contrafact.core.results import HeatMap
from contrafact.reports._heat import heat
from contrafact.reports.inputs import Sound


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


def test_a_cell_is_heard_at_its_place_in_both_sounds() -> None:
    """The song is cut to the rows; the recording is what the columns are of."""
    song = Sound(samples=np.zeros((1, 16_000 * 12), np.float32), sample_rate=16_000)
    columns = Sound(samples=np.zeros((1, 24_000), np.float32), sample_rate=16_000)
    found = heat(of((4.0, 1.0, 0.0), (0.0, 0.0, 2.0)), song, columns)
    assert found is not None
    assert (found.span_s, found.starts_s) == ("0.5000", ("8.0000", "60.0000"))
    for uri, seconds in ((found.song_uri, 1.0), (found.recording_uri, 1.5)):
        raw = base64.b64decode(uri.partition(",")[2])
        assert abs(soundfile.info(io.BytesIO(raw)).duration - seconds) < 0.2


def test_a_map_whose_recording_is_not_at_hand_is_drawn_and_not_heard() -> None:
    """One sound of two would be no comparison."""
    song = Sound(samples=np.zeros((1, 16_000), np.float32), sample_rate=16_000)
    for sounds in ((song, None), (None, song)):
        found = heat(of((4.0, 1.0)), *sounds)
        assert found is not None
        assert (found.song_uri, found.recording_uri) == ("", "")
