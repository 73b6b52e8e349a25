"""Loss plots and the axes under them."""

from __future__ import annotations

import re
import subprocess
import sys
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contrafact.reports import loss_plot_svg
from contrafact.reports._axes import Scale, round_ticks
from contrafact.reports.plots import parts_plot_svg

SVG = "{http://www.w3.org/2000/svg}"


def test_plot_is_well_formed_and_falls_where_the_loss_falls():
    """The line's heights follow the losses (down the page is up in y)."""
    curve = [(0, 1.0), (10, 0.6), (20, 0.5)]
    root = ElementTree.fromstring(loss_plot_svg(curve, title="Loss <of> & model"))
    assert root.findtext(f"{SVG}title") == "Loss <of> & model"
    line = root.findall(f"{SVG}path")[-1].get("d")
    heights = [float(y) for y in re.findall(r" ([\d.]+)", line)]
    assert heights == sorted(heights)
    assert len(heights) == 3


def test_long_curves_are_thinned_and_odd_ones_drawn():
    """Size stays bounded; nan is left out; one step or none is no error."""
    long = loss_plot_svg([(i, 1 / (i + 1)) for i in range(50_000)], title="t")
    assert len(long) < 12_000
    assert "nan" not in loss_plot_svg([(0, float("nan")), (1, 0.5)], title="t")
    assert "no steps yet" in loss_plot_svg([], title="t")
    ElementTree.fromstring(loss_plot_svg([(0, 0.0)], title="t"))


def test_parts_are_bars_on_their_side_of_zero():
    """Widths are as the parts, those below zero end where the others begin."""
    parts = {"one <b>": 0.6, "two": -0.3, "three": 0.0, "odd": float("nan")}
    root = ElementTree.fromstring(parts_plot_svg(parts, title="a & b"))
    assert root.findtext(f"{SVG}title") == "a & b"
    bars = root.findall(f"{SVG}rect")
    starts, widths = ([float(r.get(k)) for r in bars] for k in ("x", "width"))
    assert widths[0] == pytest.approx(2 * widths[1], abs=0.2)
    assert starts[1] + widths[1] == pytest.approx(starts[0], abs=0.11)
    assert widths[2:] == [0, 0]
    texts = [t.text for t in root.findall(f"{SVG}text")]
    assert "60 %" in texts
    assert "-30 %" in texts
    assert "one <b>" in texts


@given(st.floats(-1e6, 1e6), st.floats(1e-6, 1e6))
def test_ticks_are_even_few_and_cover_the_range(low, span):
    """Round ticks rise evenly from at or below `low` to at or above `high`."""
    ticks = round_ticks(low, low + span)
    slack = 1e-6 * (abs(low) + span)
    assert ticks[0] <= low + slack
    assert ticks[-1] >= low + span - slack
    assert 2 <= len(ticks) <= 12


def test_bars_start_at_zero_on_either_side():
    """A negative bar ends where a positive one begins."""
    scale = Scale.over([-1.0, 1.0])
    assert scale.bar(1.0).x == scale.place(0.0)
    left = scale.bar(-1.0)
    assert float(left.x[:-1]) + float(left.width[:-1]) == pytest.approx(50)


def test_reports_never_import_torch():
    """Reading a result does not load a deep learning framework."""
    code = "import sys, contrafact.reports; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
