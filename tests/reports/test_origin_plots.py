from __future__ import annotations

import xml.etree.ElementTree as ET

from contrafact.reports.origin_plots import (
    confusion_svg,
    evidence_svg,
    residual_svg,
    robustness_svg,
)


def _words(svg: str) -> list[str]:
    """Return the texts of a picture that is well-formed."""
    return [t.text or "" for t in ET.fromstring(svg).iter() if t.tag.endswith("text")]


def test_a_confusion_matrix_shows_counts_and_escapes_names() -> None:
    """Empty cells hold no number."""
    counts = {"a<b": {"a<b": 3, "none": 1}, "c": {}}
    words = _words(confusion_svg(counts, ["a<b", "c"], ["a<b", "none"], title="T & U"))
    assert words[0] == "T & U"
    assert words.count("a<b") == 2
    assert [w for w in words if w.isdigit()] == ["3", "1"]


def test_rates_and_fits_are_drawn_to_scale() -> None:
    """A rate of one half is half as wide as one of one."""
    svg = robustness_svg(
        [("x", 0.5, (0.4, 0.6)), ("y", 1.0, (0.9, 1.0))], title="rates"
    )
    widths = [float(r.get("width", 0)) for r in ET.fromstring(svg) if "rect" in r.tag]
    assert widths[1] == 2 * widths[0] > 0
    assert "x" in _words(evidence_svg([("x", 0.5, 0.1)], title="fits"))


def test_a_residual_lies_within_its_axes() -> None:
    """Both lines have a point for each frequency."""
    hz, values = [100.0, 200.0, 300.0], [0.0, 2.0, -2.0]
    root = ET.fromstring(residual_svg(hz, values, values, title="residual"))
    lines = [p.get("d", "") for p in root if p.tag.endswith("path")]
    assert [line.count("L") for line in lines] == [2, 2]
