"""The report of a succession, as Markdown and HTML."""

from __future__ import annotations

from contrafact.reports.before_after import (
    render_before_after_html,
    render_before_after_markdown,
)

MEAN = {"n": 3, "mean": 1.25, "interval": {"low": 1.0, "high": 1.5}}
ONE = {"n": 1, "mean": 1.25, "interval": None}
FOUND = {
    "n_members": 3, "n_others": 5, "area": 0.75,
    "area_interval": {"low": 0.4, "high": 0.9}, "power": 0.5,
    "power_interval": {"low": 0.1, "high": 0.9}, "false_positive_rate": 0.0,
    "false_positive_interval": {"low": 0.0, "high": 0.45},
}  # fmt: skip
NOTHING = {name: None for name in FOUND} | {"n_members": 1, "n_others": 0}


def document(found):
    """Return a succession whose every model was found so."""
    model = {
        "loss": {"withdrawn": ONE, "kept": MEAN},
        "withdrawn_against_never_trained": found,
        "kept_against_never_trained": found,
    }
    return {
        "release": "V-2",
        "replaces": "V-1",
        "corpus_root": "ab" * 32,
        "n_kept": 9,
        "statement": "Supporting evidence, never proof.",
        "left_out": [
            {"recording": "R-1", "title": "<b>Rag|time</b>", "proof": "proofs/x.json"}
        ],
        "comparison": {
            "models": {"before": model, "after": model, "bridge": model},
            "rise": {"after": model["loss"], "bridge": model["loss"]},
            "bridge_residual": model["loss"],
        },
        "bridge": {"model": "m", "release": "V-3", "label": "not removal"},
    }


def test_both_forms_say_the_same():
    """Power, false positives and the caveat are in each; the bridge is labelled."""
    for text in (
        render_before_after_markdown(document(FOUND)),
        render_before_after_html(document(FOUND)),
    ):
        for part in (
            "0.75 (0.40 to 0.90)", "0.50 (0.10 to 0.90)", "0.00 (0.00 to 0.45)",
            "never proof", "not removal", "1.2500, n = 1", "1.0000 to 1.5000",
        ):  # fmt: skip
            assert part in text


def test_what_was_not_measured_is_a_dash():
    """Without recordings to compare with there is no number, least of all 0."""
    text = render_before_after_markdown(document(NOTHING))
    assert "| – | – | – |" in text


def test_foreign_text_is_no_markup():
    """A title can neither bring tags nor break a table."""
    assert "<b>" not in render_before_after_html(document(FOUND))
    rows = render_before_after_markdown(document(FOUND)).splitlines()
    assert len({r.count(" | ") for r in rows if r.startswith("| R-1")}) == 1
    assert "Rag\\|time" in render_before_after_markdown(document(FOUND))
