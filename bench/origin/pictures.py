"""The pictures of the documentation, from the document of results."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from measuring import calibrated
from setting import Setting

from contrafact.matching.origin.residual import AXIS
from contrafact.reports.origin_plots import (
    confusion_svg,
    evidence_svg,
    residual_svg,
    robustness_svg,
)

__all__ = ["draw"]

SHOWN = "shuffle-24k-240"


def draw(document: dict[str, Any], setting: Setting, folder: Path) -> None:
    """Write the four pictures."""
    closed = document["closed"]["confusion"]
    names = list(closed)
    (folder / "origin-confusion.svg").write_text(
        confusion_svg(closed, names, [*names, "not called ai"],
                      title="Made by (rows), said (columns); sources left out")
    )  # fmt: skip
    table = document["transformations"]["table"]
    bars = [
        (k, v["nearest_right"]["rate"], tuple(v["nearest_right"]["interval_90"]))
        for k, v in table.items()
    ]
    (folder / "origin-robustness.svg").write_text(
        robustness_svg(
            bars, title="The right generator nearest, of nine, after each change"
        )
    )
    calibration = calibrated(setting.classes, setting.people)
    values = setting.classes[SHOWN][0].values[0].astype(float)
    template = calibration.templates[SHOWN].values[0]
    part = (AXIS > 2_000) & (AXIS < 3_000)
    (folder / "origin-residual.svg").write_text(
        residual_svg(AXIS[part], values[0, part], template[part],
                     title=f"A recording from {SHOWN}: its residual, and the class's")
    )  # fmt: skip
    scores = calibration.scores(values)
    rows = [
        (name, s.both.fit.best, calibration.nulls[name].both.best.location)
        for name, s in scores.items()
    ]
    (folder / "origin-evidence.svg").write_text(
        evidence_svg(rows,
                     title=f"A recording from {SHOWN} against every class")
    )  # fmt: skip
