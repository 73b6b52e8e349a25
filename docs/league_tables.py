"""Tables of docs/how-right.md that come from the league of estimators."""

from __future__ import annotations

from typing import Any

__all__ = [
    "KINDS",
    "coverage_table",
    "group_table",
    "league_table",
    "part",
    "regime_tables",
    "runs",
    "shown",
]

KINDS = {"named": "prompt names the source", "unnamed": "prompt does not"}


def shown(figure: dict[str, Any] | None, digits: int = 2) -> str:
    """Return a figure with its interval."""
    if not figure or "mean" not in figure:
        return "–"
    low, high = figure["interval_90"]
    return f"{figure['mean']:.{digits}f} ({low:.{digits}f} to {high:.{digits}f})"


def part(figure: dict[str, Any]) -> str:
    """Return a rate with its interval and count."""
    low, high = figure["interval_90"]
    return f"{figure['rate']:.0%} ({low:.0%} to {high:.0%}, {figure['n']} songs)"


def runs(league: dict[str, Any]) -> str:
    """Say what the figures stand on."""
    counts = dict(league["runs"])
    planned = counts.pop("planned")
    kinds = ", ".join(f"{n} `{kind}`" for kind, n in counts.items())
    total = sum(counts.values())
    text = f"Models retrained so far: {total} of {planned} planned ({kinds})."
    losses = dict(league.get("loss_on_songs_by_seed", {}))
    if len(losses) > 1:
        own, others = losses.pop("0"), list(losses.values())
        text += (
            f" Loss on the songs, nothing left out: {own:.3f} for the training that "
            f"made them, {min(others):.3f} to {max(others):.3f} for the others."
        )
    return text


def league_table(league: dict[str, Any], removal: dict[str, Any] | None = None) -> str:
    """Return the table of estimators."""
    ceiling = league["ceiling"]["generated"]
    lines = (
        []
        if "omitted" in ceiling
        else [
            "Held against trainings with these seeds, a perfect prediction would reach "
            f"{shown(ceiling)}: the ceiling.",
            "",
        ]
    )
    lines += [
        "| Estimator | LDS on songs | Of the ceiling | The index is better by "
        "| Without its first 4 %, the song's loss rises by | Build, epochs "
        "| A query, s | Bytes a recording |",
        "|---|---|---|---|---|---|---|---|",
    ]
    rises = (removal or {}).get("rise", {})
    for name, row in league["estimators"].items():
        lds = row["lds_by_kind"]["generated"]
        is_known = "mean" in lds and "mean" in ceiling
        part = f"{lds['mean'] / ceiling['mean']:.0%}" if is_known else "–"
        epochs = row["build_epochs"]
        cells = [
            f"`{name}`", shown(lds), part, shown(row.get("lds_of_index_minus_this")),
            shown(rises.get(name), 3), "–" if epochs is None else epochs,
            row["query_s"],
            f"{row['bytes_per_recording']:,}",
        ]  # fmt: skip
        lines.append(f"| {' | '.join(map(str, cells))} |")
    first = next(iter(league["estimators"].values()))["lds_by_kind"]["generated"]
    notes = [
        x["omitted"] for x in (first, league["ceiling"]["generated"]) if "omitted" in x
    ]
    if notes:
        lines += ["", "Left out: " + "; ".join(notes) + "."]
    return "\n".join(lines)


def seeds_text(group: dict[str, Any]) -> str:
    """Say how many trainings stand behind a source that was left out."""
    count = group["n_seeds"]
    text = "one seed" if count == 1 else f"{count} seeds"
    if group.get("seeds") == [0]:
        text += ", that of the model that made the songs"
    return text


def group_table(league: dict[str, Any]) -> str:
    """Return the tables of agreement with leaving out whole sources."""
    parts = []
    for kind, group in league["groups"].items():
        if "omitted" in group:
            parts.append(f"By {kind}: left out, since {group['omitted']}.")
            continue
        parts.append(
            f"By {kind}: {group['n_sources']} sources, each left out with "
            f"{seeds_text(group)}."
        )
        lines = [
            "| | songs whose | share error | correlation | first is right | NDCG@3 | "
            "order of all |",
            "|---|---|---|---|---|---|---|",
        ]
        rows = {"another training": group["seed_against_seed"]}
        rows |= {f"`{n}`": found for n, found in group["estimators"].items()}
        for name, found in rows.items():
            if "omitted" in found:
                continue
            for asked, text in KINDS.items():
                f = found[asked]
                lines.append(
                    f"| {name} | {text} | {shown(f['share_error'], 3)} | "
                    f"{shown(f['correlation'])} | {shown(f['top1'])} | "
                    f"{shown(f['ndcg3'])} | {shown(f['spearman'])} |"
                )
        parts.append("\n".join(lines))
    return "\n\n".join(parts)


_INTERVALS = {
    "printed": "as printed",
    "over_noise_draws": "over noise draws alone",
}
_INTERVALS_ELSEWHERE = {
    "shipped": "as printed",
    "printed": "fitted to this model",
    "over_noise_draws": "over noise draws alone",
}


def coverage_table(
    league: dict[str, Any], intervals: dict[str, str] = _INTERVALS
) -> str:
    """Return how often intervals hold the retrained share."""
    lines = [
        "| By | Songs | Intervals | Hold the retrained share | Mean width "
        "| Rest, printed and retrained, on average | Rest is off by | Rest is held |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for kind, found in league["coverage"].items():
        if "omitted" in found:
            lines.append(f"| {kind} | – | {found['omitted']} | – | – | – | – | – |")
            continue
        for asked, text in KINDS.items():
            for name, label in intervals.items():
                row = found[asked][name]
                lines.append(
                    f"| {kind} | {text} | {label} | {row['covered']:.0%} of "
                    f"{row['n_shares']} | {row['mean_width']:.3f} | "
                    f"{row['mean_unattributed']:.2f}, "
                    f"{row['mean_unattributed_retrained']:.2f} | "
                    f"{row['unattributed_error']:.3f} | "
                    f"{row['unattributed_covered']:.0%} |"
                )
    return "\n".join(lines)


def regime_tables(league: dict[str, Any]) -> str:
    """Return what is known of a model that saw every recording a few times only."""
    parts = [
        runs(league),
        league_table(league),
        group_table({"groups": {"collection": league["groups"]["collection"]}}),
        coverage_table(
            {"coverage": {"collection": league["coverage"]["collection"]}},
            _INTERVALS_ELSEWHERE,
        ),
    ]
    return "\n\n".join(parts)
