"""The report of matches, on evidence made up for it and sounds of known pitch."""

from __future__ import annotations

import base64
import re
import struct
import zlib
from dataclasses import replace

import numpy as np
import pytest

from contrafact.core.evidence import Collapse, Evidence, StyleMatch
from contrafact.core.matches import (
    ASPECTS,
    AspectMatch,
    AspectSpan,
    RecordingMatch,
    WorkMatch,
)
from contrafact.reports import Sound
from contrafact.reports._match_figures import (
    aligned,
    null_plot,
    pitch_image,
    probability,
)
from contrafact.reports.corpus import render_corpus
from contrafact.reports.match_inputs import MatchInputs, Null, Phrase
from contrafact.reports.matches import render_matches

RATE = 8_000
HOSTILE = "<script>alert(1)</script>\u202e\x1b[2J"
SPAN = AspectSpan(
    query_start_s=2.0, query_end_s=4.0, reference_start_s=5.0, reference_end_s=9.0
)


def _tone(seconds: float) -> Sound:
    t = np.arange(round(seconds * RATE)) / RATE
    wave = np.sin(2 * np.pi * 220 * t) * np.abs(np.sin(t))
    return Sound(samples=wave[None].astype(np.float32), sample_rate=RATE)


def _evidence() -> Evidence:
    recording = RecordingMatch(
        recording_id="R-1", query_start_s=2.0, query_end_s=4.0, reference_start_s=5.0,
        reference_end_s=9.0, pitch_semitones=-2.01, tempo_ratio=2.0,
        false_match_probability=2.3e-6,
    )  # fmt: skip
    aspects = {
        name: AspectMatch(score=0.8, p_value=p, spans=(SPAN,) if p < 0.05 else ())
        for name, p in zip(ASPECTS, (4e-4, 4e-3, 0.2), strict=True)
    }
    work = WorkMatch(
        work_id="W-1", recording_id="R-1", joint=3e-4, aspects=aspects,
        transposition_semitones=2.0,
    )  # fmt: skip
    return Evidence(
        file=HOSTILE, digest="ab" * 32, duration_s=6.0, start_s=0.0, end_s=6.0,
        recordings=(recording,), works=(work,),
        style=(StyleMatch(recording_id="R-1", score=0.9, p_value=0.01),),
        tags={HOSTILE: HOSTILE}, credentials={"state": "none"},
    )  # fmt: skip


def _inputs(evidence: Evidence | None = None) -> MatchInputs:
    classes = np.eye(12, dtype=np.float32)
    phrase = Phrase(span=SPAN, query=classes, reference=classes)
    null = Null(name="melody", observed=0.8, p_value=4e-4, scores=(0.1, 0.2, 0.3))
    return MatchInputs(
        evidence=evidence or _evidence(),
        titles={"R-1": (HOSTILE, HOSTILE)},
        work_titles={"W-1": "A Work"},
        query_sound=_tone(6.0),
        recording_sounds={"R-1": _tone(12.0)},
        phrases={"1": phrase, "W-1": phrase},
        nulls={"W-1": (null,)},
        collapse=(
            Collapse(
                layer="style", n_queries=64, n_top=10, overlap=0.1, rank1_energy=0.2,
                concentration=0.1, own_overlap=0.62, is_generic=True,
                reason="the list is generic",
            ),
        ),
        n_recordings=94,
        command="contrafact identify x.mp3",
    )  # fmt: skip


def test_everything_that_was_recognised_is_shown() -> None:
    """Recordings, works with their aspects, style and diagnostics, with numbers."""
    page = render_matches(_inputs())
    for text in (
        "−2.01 semitones", "× 2.000", "1 in 430,000", "A Work", "1 in 2,500",
        "1 in 250", "0.20", "+2 semitones", "the list is generic",
        "94 known recordings",
        "0:02.0–0:04.0", "0:05.0–0:09.0", "never influence",
    ):  # fmt: skip
        assert text in page, text


def test_the_page_needs_nothing_and_escapes_foreign_text() -> None:
    """No address, no script but its own, and hostile names are inert."""
    page = render_matches(_inputs())
    assert "alert(1)" in page
    assert "<script>alert" not in page
    assert "\x1b" not in page
    sources = re.findall(r'(?:src|href)="([^"]{1,40})', page)
    assert all(s.startswith(("data:", "#")) for s in sources)
    assert page == render_matches(_inputs())


def test_both_sides_can_be_heard() -> None:
    """The whole audio and, for each match, the passage in it and in the recording."""
    page = render_matches(_inputs())
    lengths = re.findall(r'data-duration="([\d.]+)"', page)
    assert lengths == ["6.000", "2.000", "4.000", "2.000", "4.000"]


def test_a_missing_recording_is_said_and_not_drawn() -> None:
    """Without the recording's sound the numbers stay."""
    page = render_matches(replace(_inputs(), recording_sounds={}, phrases={}))
    assert page.count("was not at hand") == 2
    assert "1 in 430,000" in page


def test_nothing_found_and_not_measured_are_two_things() -> None:
    """An empty layer says so; one that nobody looked at says that."""
    none = replace(_evidence(), recordings=(), works=(), style=None)
    page = render_matches(_inputs(none))
    assert "Nothing known was recognised" in page
    assert page.count("<p>Not measured.</p>") == 1
    assert "No known recording is in it" in page


def test_what_could_not_be_heard_has_a_page_too() -> None:
    """The reason stands on it, and no match."""
    lost = Evidence(file="x", problem="it is silent", recordings=(), works=(), style=())
    silence = Sound(samples=np.zeros((1, 0), np.float32), sample_rate=RATE)
    page = render_matches(replace(_inputs(lost), query_sound=silence))
    assert "It is silent." in page
    assert "could not be listened to" in page


def test_the_recording_lies_under_the_place_where_it_matches() -> None:
    """Twice as fast in the query: the strip is half as long, the band in both."""
    figure = aligned(_tone(6.0), 0.0, _tone(12.0), SPAN)
    # The recording, 6 s long at the query's tempo, begins half a second before it.
    whole_s = 6.5
    assert float(figure.reference.x.rstrip("%")) == pytest.approx(0.0, abs=0.01)
    width = float(figure.reference.width.rstrip("%"))
    assert width == pytest.approx(100 * 6.0 / whole_s, abs=0.01)
    band = float(figure.band_x.rstrip("%"))
    assert band == pytest.approx(100 * 2.5 / whole_s, abs=0.01)


def test_pitch_classes_are_a_true_picture() -> None:
    """The PNG holds the strengths as opacity, C in the lowest row."""
    strength = np.zeros((12, 3), np.float32)
    strength[0, 1] = 1.0
    data = base64.b64decode(pitch_image(strength, (1, 2, 3)).partition(",")[2])
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    assert struct.unpack(">II", data[16:24]) == (3, 12)
    at = data.index(b"IDAT")
    n = struct.unpack(">I", data[at - 4 : at])[0]
    rows = zlib.decompress(data[at + 4 : at + 4 + n])
    pixels = np.frombuffer(rows, np.uint8).reshape(12, 13)[:, 1:].reshape(12, 3, 4)
    assert pixels[11, 1].tolist() == [1, 2, 3, 255]
    assert pixels[..., 3].sum() == 255


def test_the_observed_score_stands_in_its_null() -> None:
    """The line is right of all bars, and the bars hold every score."""
    plot = null_plot(Null(name="m", observed=0.9, p_value=0.01, scores=(0.1, 0.2)))
    right_most = max(float(x.rstrip("%")) for x, *_ in plot.bars)
    assert float(plot.observed.rstrip("%")) > right_most
    assert plot.is_right
    assert plot.n == 2


def test_a_null_of_nothing_can_be_drawn() -> None:
    """A catalog of one work has no other to compare with."""
    plot = null_plot(Null(name="m", observed=0.0, p_value=1.0, scores=()))
    assert plot.bars == ()


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.2, "0.20"),
        (0.0004, "1 in 2,500"),
        (2.3e-6, "1 in 430,000"),
        (float("nan"), "–"),
    ],
)
def test_probabilities_read_well(value: float, text: str) -> None:
    """Small ones as one in so many, to two digits."""
    assert probability(value) == text


def test_an_audit_lists_what_is_known_twice_and_lost() -> None:
    """Each kind of row once, hostile names inert."""
    match = {
        "title": "T", "artist": "A", "kind": "same recording", "query_start_s": 0.0,
        "query_end_s": 9.0, "reference_start_s": 1.0, "reference_end_s": 10.0,
        "false_match_probability": 1e-5,
    }  # fmt: skip
    twin = {**match, "file": "b", "kind": "near"}
    bare = {"recordings": [], "works": [], "duplicates": [], "problem": None}
    files = [
        {**bare, "file": HOSTILE, "recordings": [match], "duplicates": [twin]},
        {**bare, "file": "c", "problem": "it is silent"},
    ]
    page = render_corpus(
        {
            "directory": "d", "n_recordings": 9, "n_files": 2, "n_known_recordings": 1,
            "n_known_works": 0, "n_duplicated": 1, "n_unreadable": 1, "files": files,
        }
    )  # fmt: skip
    for text in (
        "1 of 2 files",
        "T, A",
        "same recording",
        "it is silent",
        "1 in 100,0",
    ):
        assert text in page
    assert "<script>alert" not in page
