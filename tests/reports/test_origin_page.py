"""The page on who made a recording."""

from __future__ import annotations

import pytest

from contrafact.core.matches import OriginEvidence, OriginFinding, Verdict
from contrafact.reports.origin_page import OriginInputs, Spectrum, render_origin

FOREIGN = "<script>alert(1)</script>"


def _finding(verdict: Verdict, generator: str | None = None) -> OriginFinding:
    return OriginFinding(
        verdict=verdict,
        generator=generator,
        probability=0.93,
        false_positive_rate=0.01,
        evidence=(
            OriginEvidence(kind="traces", score=9.1, p_value=1e-40, detail="lines"),
            OriginEvidence(kind="tags", score=1.0, p_value=None, detail=FOREIGN),
        ),
        description=f"About {FOREIGN}.",
    )


def _spectrum() -> Spectrum:
    hz = [1_000.0 + 10 * i for i in range(50)]
    return Spectrum(
        nearest=FOREIGN, scale=1.06, hz=hz, residual=[0.5] * 50, lines=[0.2] * 50,
        fits=((FOREIGN, 0.6, 0.1), ("other", -0.1, 0.1)),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("verdict", "generator", "said"),
    [
        ("ai", "A", "Made by A"),
        ("ai", None, "Generated, and no generator can be named"),
        ("unknown", None, "It cannot be said who made this"),
        ("human", None, "No trace of a generator"),
    ],
)
def test_the_verdict_is_the_headline(
    verdict: Verdict, generator: str | None, said: str
) -> None:
    """One for each, with its rate."""
    finding = _finding(verdict, generator)
    inputs = OriginInputs(name="a.wav", command="c", finding=finding, spectrum=None)
    page = render_origin(inputs)
    assert f"<h1>{said}</h1>" in page
    assert "<dd>0.01</dd>" in page


def test_foreign_text_is_escaped_and_everything_is_drawn() -> None:
    """Names of files and classes, tags and descriptions; three figures."""
    inputs = OriginInputs(
        name=FOREIGN, command=FOREIGN, finding=_finding("ai", FOREIGN),
        spectrum=_spectrum(),
    )  # fmt: skip
    page = render_origin(inputs)
    assert FOREIGN not in page
    assert page.count("<svg") == 3
    assert "times 1.0600" in page
    assert "below 1 in 1,000,000,000" in page


def test_what_is_only_claimed_has_no_bar() -> None:
    """A tag has no p-value, and a finding without any has no such figure."""
    finding = OriginFinding(
        verdict="ai", generator=None, probability=0.9, false_positive_rate=1.0,
        evidence=_finding("ai").evidence[1:],
    )  # fmt: skip
    inputs = OriginInputs(name="a", command="", finding=finding, spectrum=None)
    page = render_origin(inputs)
    assert "<svg" not in page
    assert "a claim" in page
