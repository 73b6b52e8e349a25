"""The report of an attribution as one HTML file that needs nothing else."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from markupsafe import Markup

from contrafact.core.results import Attribution, Profile, Verification
from contrafact.reports._checked import check
from contrafact.reports._format import (
    DASH,
    clock,
    decimals_for,
    fixed,
    kind_name,
    percent,
    plain,
)
from contrafact.reports._listening import (
    LONGEST_S,
    passage_pairs,
    player,
    regenerated_players,
)
from contrafact.reports._page import environment, policy, resource
from contrafact.reports._shares import share_tables, slices
from contrafact.reports.headline import INTERVALS, headline, no_answer
from contrafact.reports.inputs import ReportInputs
from contrafact.reports.marks import mark_lines
from contrafact.reports.plots import loss_plot_svg, parts_plot_svg

__all__ = ["render_html"]

_BASELINES = {"similarity", "random"}


def render_html(inputs: ReportInputs) -> str:
    """Return the report as one self-contained HTML document.

    Works from `file://`, offline, printed, and without scripts. All foreign
    text is escaped. The same inputs give the same bytes: run times are left
    out. A song of 12 s with five passages and three songs made again takes
    about 0.5 MB.

    Returns:
        The document; encode it as UTF-8.

    Raises:
        ReportError: If the shares are not shares of one whole.
    """
    attribution = inputs.attribution
    style, script = resource("report.css"), resource("report.js")
    passages = passage_pairs(inputs)
    page: str = (
        environment()
        .get_template("report.html.j2")
        .render(
            policy=policy(style, script),
            style=Markup(style),
            script=Markup(script),
            a=attribution,
            intervals=INTERVALS[attribution.intervals],
            headline=headline(attribution),
            no_answer=no_answer(attribution),
            marks=mark_lines(attribution),
            slices=slices(attribution),
            by_one=kind_name(attribution.by),
            song=player(inputs.query_sound, "The song", is_large=True),
            is_cut=inputs.query_sound.duration_s > LONGEST_S,
            tables=share_tables(attribution),
            passages=passages,
            n_lanes=1 + max((p.lane for p in passages), default=-1),
            check=check(inputs.verification) if inputs.verification else None,
            verify_command=f"contrafact verify {plain(attribution.attribution_id)}",
            songs=regenerated_players(inputs),
            facts=_facts(attribution, inputs.verification),
            curve=_curve(inputs),
            profile=_profile(attribution.profile),
            is_baseline=attribution.estimator in _BASELINES,
        )
    )
    return page


def _curve(inputs: ReportInputs) -> Markup | None:
    if not inputs.training_curve:
        return None
    # Safe: the plot escapes its title, the rest of it is numbers.
    return Markup(
        loss_plot_svg(
            inputs.training_curve,
            title=f"Training loss of {plain(inputs.attribution.model_id, 60)}",
        )
    )


def _profile(found: Profile | None) -> list[Markup]:
    """Return the plots of what influence runs through; none where nothing is known."""
    if found is None:
        return []
    # Safe: the plots escape titles and names, the rest of them is numbers.
    return [
        Markup(parts_plot_svg(parts, title=title))
        for title, parts in (
            ("By noise level", found.noise_levels),
            ("By block of the model", found.blocks),
        )
        if parts
    ]


def _facts(
    attribution: Attribution, verification: Verification | None
) -> list[tuple[str, str]]:
    a, q = attribution, attribution.query
    decimals = decimals_for([q.loss, q.untrained_loss]) + 1
    facts = [
        ("Attribution", a.attribution_id),
        ("Song", f"{q.file}, {clock(q.duration_s)}"),
        ("Song digest", q.digest),
        ("Loss on the song", fixed(q.loss, decimals)),
        ("Loss before training", fixed(q.untrained_loss, decimals)),
        ("Taken from it by training", percent(q.learned)),
        ("Taken at least of its own recordings'", percent(q.least_learned)),
        ("Model", a.model_id),
        ("Model digest", a.model_digest),
        ("Corpus", f"{a.n_recordings} {kind_name('recording', a.n_recordings)}"),
        ("Corpus digest", a.corpus_digest),
        ("Estimator", a.estimator),
        *((f"{a.estimator}: {k}", _value(v)) for k, v in sorted(a.settings.items())),
        *sorted(a.provenance.items()),
    ]
    if verification is not None:
        draws = f"{verification.n_draws} draws, seed {verification.seed}"
        facts.append(("Verification", draws))
    return [(plain(name), plain(value, 1000)) for name, value in facts]


def _value(value: object) -> str:
    if isinstance(value, float):
        return f"{value:g}" if math.isfinite(value) else DASH
    if isinstance(value, Mapping):
        return ", ".join(f"{k} {_value(v)}" for k, v in sorted(value.items()))
    if isinstance(value, Sequence) and not isinstance(value, str):
        return ", ".join(map(_value, value))
    return DASH if value is None else str(value)
