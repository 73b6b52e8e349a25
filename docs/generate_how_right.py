"""Write the tables and plots of docs/how-right.md from bench/results.

    python docs/generate_how_right.py           # write
    python docs/generate_how_right.py --check   # fail if something would change

Every number on that page is between a pair of marks and comes from a committed
result; a table whose result is not there says so.
"""

from __future__ import annotations

import json
import math
import re
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

from coverage_plot import plot
from league_plot import plot_league
from league_tables import (
    KINDS,
    coverage_table,
    group_table,
    league_table,
    part,
    regime_tables,
    runs,
    shown,
)

DOCS = Path(__file__).parent
RESULTS = DOCS.parent / "bench" / "results"
PAGE = DOCS / "how-right.md"
PLOT = DOCS / "images" / "coverage.svg"
LEAGUE_PLOT = DOCS / "images" / "league.svg"


def result(name: str) -> dict[str, Any] | None:
    """Return a committed result, or None."""
    path = RESULTS / f"{name}.json"
    if not path.exists():
        return None
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def banzhaf_table(found: dict[str, Any]) -> str:
    """Return how estimated shares of artists agree with Banzhaf's."""
    lines = [
        f"{found['n_halves']} halves of {found['n_artists']} artists; the weights "
        f"predict {found['explained_of_halves_left_out']:.0%} of the variance of a "
        "half left out of the fit, and the 90 % interval of a share is "
        f"{found['interval_width']:.2f} wide on average.",
        "",
        "| By artist | songs whose | share error | correlation | first is right |",
        "|---|---|---|---|---|",
    ]
    parts = "one part of the halves against the other"
    every = {parts: found["parts_against_each_other"]}
    every |= {f"`{name}`": one for name, one in found["estimators"].items()}
    for name, one in every.items():
        for asked, text in KINDS.items():
            f = one[asked]
            lines.append(
                f"| {name} | {text} | {shown(f['share_error'], 3)} | "
                f"{shown(f['correlation'])} | {shown(f['top1'])} |"
            )
    return "\n".join(lines)


def methods_table(found: dict[str, Any]) -> str:
    """Return every account of groups, on both halves."""
    parts = []
    for kind in [k for k in ("collection", "artist") if "methods" in found.get(k, {})]:
        lines = [
            f"| By {kind} | songs whose | share error, choosing | reporting "
            "| correlation, choosing | reporting | first is right, choosing "
            "| reporting |",
            "|---|---|---|---|---|---|---|---|",
        ]
        methods = found[kind]["methods"]
        for name, by_kind in methods.items():
            for asked, text in KINDS.items():
                halves = [by_kind[asked][h] for h in ("choosing", "reporting")]
                cells = [f"{h['share_error']['mean']:.3f}" for h in halves]
                cells += [f"{h['correlation']['mean']:.2f}" for h in halves]
                cells += [f"{h['top1']['mean']:.2f}" for h in halves]
                lines.append(f"| {' | '.join([name, text, *cells])} |")
        parts.append("\n".join(lines))
        if "error_less_default" in next(iter(methods.values())):
            parts.append(_against_default(methods))
        if "unlearning" in methods:
            parts.append(_rises(found[kind]))
    return "\n\n".join(parts)


def _against_default(methods: dict[str, Any]) -> str:
    """Say by how much share errors differ from the default's on the choosing half."""
    differ = [
        f"{name} {shown(one['error_less_default'], 4)}"
        for name, one in methods.items()
        if one["error_less_default"]["mean"]
    ]
    return (
        "Share error less the default's, same songs of the choosing half: "
        f"{'; '.join(differ)}."
    )


def _rises(found: dict[str, Any]) -> str:
    """Say how far unlearning raises losses, and what a group costs."""
    ratio = found["methods"]["unlearning"]["rise_ratio"]["reporting"]
    return (
        "Unlearning raises the loss of songs of the reporting half "
        f"{ratio['own']:.2f} times as far as training without the source that matters "
        f"most, and {ratio['others']:.2f} times for all other sources; a group costs "
        f"{found['processor_s_a_group']} processor seconds."
    )


def group_search_table(found: dict[str, Any]) -> str:
    """Return what ways of unlearning groups gave on the choosing half."""
    lines = [
        "| Groups unlearned | Share error | Correlation | First is right "
        "| Rise of the first source, in true ones | of others | Processor s a group |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, one in found["tries"].items():
        ratio = one["rise_ratio"]
        lines.append(
            f"| {name} | {shown(one['share_error'], 4)} | {shown(one['correlation'])} "
            f"| {one['top1']['mean']:.2f} | {ratio['own']:.2f} | {ratio['others']:.2f} "
            f"| {one['processor_s_a_group'] or '–'} |"
        )
    rise = found["left_out_rise"]
    kinds = [f"{shown(one)} without its {kind}" for kind, one in rise.items()]
    lines += [
        "",
        "Rise of a recording's own loss where it was left out, in parts of it: "
        f"{', '.join(kinds)}.",
    ]
    return "\n".join(lines)


def removal_table(found: dict[str, Any]) -> str:
    """Return what leaving out the recordings named first does to the songs."""
    lines = [
        f"{found['n_songs']} songs of 20 so far, "
        f"{found['n_models']} models; rises are parts of the song's loss.",
        "",
        "| Left out | Rise of the song's loss | Other songs | "
        "The index's rise in multiples of this | Songs where the index's is larger |",
        "|---|---|---|---|---|",
    ]
    first = next(iter(found["rise"]))
    for name, rise in found["rise"].items():
        cells = [shown(rise, 3)]
        cells.append(shown(found["other_songs"].get(name), 3))
        over = found["times"].get(f"{first} over {name}")
        cells.append(shown(over))
        wins = found["songs_where_larger"].get(name)
        cells.append(f"{wins['mean']:.0%}" if wins else "–")
        lines.append(f"| `{name}` | {' | '.join(cells)} |")
    return "\n".join(lines)


def abstention_table(found: dict[str, Any]) -> str:
    """Return how often somebody is named who should not be, or nobody who should."""
    lines = ["| Asked | By artist | By collection |", "|---|---|---|"]
    by = found["by"]
    for family in by["artist"]["named_falsely"]:
        text = "all of these together" if family == "all" else family.replace("_", " ")
        cells = [part(by[k]["named_falsely"][family]) for k in ("artist", "collection")]
        lines.append(f"| {text}: named falsely | {cells[0]} | {cells[1]} |")
    without = "named_falsely_if_every_song_were_known"
    cells = [part(by[k][without]) for k in ("artist", "collection")]
    lines.append(
        "| all of these together, were every song taken for known: named falsely "
        f"| {cells[0]} | {cells[1]} |"
    )
    for asked, text in KINDS.items():
        songs = [by[k]["songs"][asked] for k in ("artist", "collection")]
        for key, label in (
            ("answered", "answered"),
            ("prompted_source_first_when_answered", "prompted source first"),
        ):
            cells = [part(s[key]) if key in s else "–" for s in songs]
            lines.append(f"| songs, {text}: {label} | {cells[0]} | {cells[1]} |")
    return "\n".join(lines)


def attack_table(found: dict[str, Any]) -> str:
    """Return what attacks gain, by the rule of pay."""
    lines = [
        "| Attack | Paid | Income before, % of all songs' money | Gain, points of it "
        "| Largest | All attackers together | Largest of one with an income "
        "| Over a fifth | From nothing to something |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for name, by_rule in found["attacks"].items():
        for rule, gain in by_rule.items():
            n_with = len(found["attackers"]) - gain["n_without"]
            cells = [
                name,
                rule,
                f"{gain['before']['mean']:.2f}",
                shown(gain["points"]),
                f"{gain['points']['largest']:+.2f}",
                f"{gain['part']:+.0%}" if n_with else "–",
                f"{gain['largest']:+.0%}" if n_with else "–",
                f"{gain['n_over']} of {n_with}",
                f"{gain['n_from_nothing']} of {gain['n_without']}",
            ]
            lines.append(f"| {' | '.join(cells)} |")
    twins = found["twins"]["influence_of_the_pair_over_the_one"]
    each = found["twins"]["influence_of_each_twin_over_the_one"]
    lines += [
        "",
        f"Fingerprints knew {found['near_copies_found_by_sound']:.0%} of the near "
        "copies again.",
        "",
        f"A recording and its twin together have {shown(twins)} times the influence "
        f"of the one alone; each of the two has {shown(each)} times it.",
    ]
    return "\n".join(lines)


def robustness_table(found: dict[str, Any]) -> str:
    """Return how far answers stay the same."""
    lines = [
        "| Song | As it comes: rank correlation of artists | same first artist | known "
        "| Pitch looked for: rank correlation | same first artist | known | found |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name, row in found.items():
        if isinstance(row, dict):
            cells = [name.replace("_", " ")]
            for how in ("as_it_comes", "searched"):
                cells += [
                    shown(row[how]["spearman_of_artists"]),
                    part(row[how]["same_first_artist"]),
                    f"{row[how]['known']['rate']:.0%}",
                ]
            lines.append(f"| {' | '.join([*cells, part(row['right_pitch'])])} |")
    return "\n".join(lines)


def passages_table(found: dict[str, Any]) -> str:
    """Return how often a bar is found where it is."""
    lines = [
        "| The bar | Right to a bar: in the song | in the recording | to half a bar "
        "| in the recording | Overlap in the song | in the recording |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, row in found.items():
        if isinstance(row, dict):
            sides = [row["song"], row["recording"]]
            cells = [part(s["within_a_bar"]) for s in sides]
            cells += [part(s["within_half_a_bar"]) for s in sides]
            cells += [shown(s["iou"]) for s in sides]
            lines.append(f"| {' | '.join([name, *cells])} |")
    return "\n".join(lines)


def search_table(found: dict[str, Any]) -> str:
    """Return every setting that was tried, on both halves."""
    lines = [
        "| Settings | Share error, choosing | reporting | Correlation, choosing "
        "| reporting | LDS, choosing | reporting |",
        "|---|---|---|---|---|---|---|",
    ]
    for one in found["tries"]:
        a, b = one["choosing"], one["reporting"]
        lines.append(
            f"| {one['settings']} | {a['share_error']:.3f} | {b['share_error']:.3f} | "
            f"{a['correlation']:.2f} | {b['correlation']:.2f} | "
            f"{a.get('lds', math.nan):.2f} | {b.get('lds', math.nan):.2f} |"
        )
    return "\n".join(lines)


def tables() -> dict[str, str]:
    """Return the text between each pair of marks."""
    missing = "Not measured yet."
    league = result("league-scores")
    found = {
        "runs": runs(league) if league else missing,
        "league": league_table(league, result("removal-scores")) if league else missing,
        "groups": group_table(league) if league else missing,
        "coverage": coverage_table(league) if league else missing,
    }
    makers = {
        "abstention": abstention_table,
        "attacks": attack_table,
        "robustness": robustness_table,
        "search": search_table,
        "ideas": search_table,
        "groups": methods_table,
        "removal": removal_table,
        "group-search": group_search_table,
    }
    for name, make in makers.items():
        one = result(f"{name}-scores")
        mark = "methods" if name == "groups" else name
        found[mark] = make(one) if one else missing
    for mark, name, make in (
        ("regime", "league-scores-brief", regime_tables),
        ("banzhaf", "banzhaf-scores-brief", banzhaf_table),
        ("passages", "passages", passages_table),
    ):
        one = result(name)
        found[mark] = make(one) if one else missing
    return found


def page() -> str:
    """Return the page with every table written anew."""
    text = PAGE.read_text(encoding="utf-8")
    for name, table in tables().items():
        marked = re.compile(rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)", re.DOTALL)
        text = marked.sub(lambda m, t=table: f"{m[1]}{t}\n{m[2]}", text)
    return text


def main() -> None:
    """Write the page and the plot, or check them."""
    league = result("league-scores")
    wanted = {PAGE: page(), PLOT: plot(league or {"coverage": {}})}
    if league:
        wanted[LEAGUE_PLOT] = plot_league(league)
    stale = [
        p for p, t in wanted.items() if not p.exists() or p.read_text("utf-8") != t
    ]
    if "--check" in sys.argv:
        if stale:
            names = ", ".join(p.name for p in stale)
            sys.exit(f"{names}: not as generated. Run {Path(__file__).name}.")
        return
    for path, text in wanted.items():
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
