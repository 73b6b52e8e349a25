"""From single measurements to tables, and to the picture in the documentation."""

from __future__ import annotations

import re
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
from attacks import Attack

from common import mean_interval, wilson

Json = dict[str, Any]
DOCS = Path(__file__).parents[2] / "docs"
PAGE, PICTURE = DOCS / "watermarks.md", DOCS / "images" / "watermarks.svg"
_PLACE = re.compile(r"(<!-- results -->\n).*(<!-- end of results -->)", re.DOTALL)
_COLOURS = ("#2a7f8a", "#c2772e", "#7a5ea8", "#5b8c3e", "#a84a5e")


def summary(
    done: list[Json], alarms: list[Json], schemes: Json, attacks: tuple[Attack, ...]
) -> Json:
    """Return the numbers of one set of recordings."""
    return {
        "n_recordings": len(done),
        "n_unmarked": len(alarms),
        "quality": {
            name: _quality([d["quality"][name] for d in done]) for name in schemes
        },
        "attacks": {attack.name: _attack(attack, done, schemes) for attack in attacks},
        "false_positives": {name: _alarms(name, done, alarms) for name in schemes},
    }


def _quality(found: list[Json]) -> Json:
    return {key: mean_interval([one[key] for one in found]) for key in found[0]}


def _attack(attack: Attack, done: list[Json], schemes: Json) -> Json:
    costs = [d["cost"][attack.name] for d in done if attack.name in d["cost"]]
    return {
        "group": attack.group,
        "is_extra": attack.is_extra,
        "cost": {k: round(float(np.mean([c[k] for c in costs])), 2) for k in costs[0]}
        if costs
        else None,
        "schemes": {name: _read(name, attack, done) for name in schemes},
    }


def _read(name: str, attack: Attack, done: list[Json]) -> Json:
    seen = [d["marked"][name][attack.name] for d in done]
    alarms = [
        d["unmarked"][name][attack.name]
        for d in done
        if attack.name in d["unmarked"].get(name, {})
    ]
    bits = [one["bits"] for one in seen if one["bits"] is not None]
    return {
        "whole": _rate([one["whole"] for one in seen]),
        "found": _rate([one["found"] for one in seen]),
        "bits": mean_interval(bits) if bits else None,
        "false_positives": _rate(alarms) if alarms else None,
    }


def _alarms(name: str, done: list[Json], alarms: list[Json]) -> Json:
    attacked = [hit for d in done for hit in d["unmarked"].get(name, {}).values()]
    plain = [one[name] for one in alarms if name in one]
    return {
        "unmarked": _rate(plain) if plain else None,
        "unmarked_and_attacked": _rate(attacked) if attacked else None,
        "together": _rate(plain + attacked),
    }


def _rate(hits: list[bool]) -> Json:
    count, n = sum(hits), len(hits)
    return {"rate": round(count / n, 4), "interval_90": wilson(count, n), "n": n}


def write_docs(result: Json) -> None:
    """Write the tables into the page, and the picture beside it."""
    image = "![Marks read whole after each attack](images/watermarks.svg)"
    lines = [*_quality_table(result), "", *_attack_table(result), "", image]
    text = "\n".join(lines)
    page = PAGE.read_text(encoding="utf-8")
    changed = _PLACE.sub(lambda m: f"{m[1]}\n{text}\n\n{m[2]}", page)
    PAGE.write_text(changed, encoding="utf-8")
    PICTURE.parent.mkdir(exist_ok=True)
    PICTURE.write_text(picture(result), encoding="utf-8")


def _quality_table(result: Json) -> list[str]:
    lines = [
        "| Scheme | Set | SNR | Segmental SNR | Mel distance | Noise to mask | Frames"
        " disturbed | False positives, all unmarked |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name in result["schemes"]:
        for kind, found in result["sets"].items():
            q = found["quality"][name]
            fp = found["false_positives"][name]["together"]
            lines.append(
                f"| `{name}` | {kind} | {_mean(q['snr_db'])} dB | "
                f"{_mean(q['segmental_snr_db'])} dB | "
                f"{_mean(q['mel_distance_db'])} dB | {_mean(q['nmr_db'])} dB | "
                f"{q['disturbed']['mean']:.1%} | {_percent(fp)} of {fp['n']} |"
            )
    return lines


def _attack_table(result: Json) -> list[str]:
    pairs = [(n, s) for n in result["schemes"] for s in result["sets"]]
    head = " | ".join(f"`{n}`, {s}" for n, s in pairs)
    lines = [f"| Attack | {head} |", "|---|" + "---|" * len(pairs)]
    first = next(iter(result["sets"].values()))
    for attack, facts in first["attacks"].items():
        cells = [
            _cell(result["sets"][s]["attacks"][attack]["schemes"][n]) for n, s in pairs
        ]
        extra = " *" if facts["is_extra"] else ""
        lines.append(f"| {attack}{extra} | {' | '.join(cells)} |")
    return lines


def _cell(read: Json) -> str:
    bits = "" if read["bits"] is None else f"; {read['bits']['mean']:.0%} of bits"
    return f"{_percent(read['whole'])}{bits}"


def _percent(rate: Json) -> str:
    low, high = rate["interval_90"]
    return f"{rate['rate']:.3g} ({low:.2g}–{high:.2g})"


def _mean(found: Json) -> str:
    return f"{found['mean']:.1f}"


def picture(result: Json) -> str:
    """Return the part of whole messages by attack, a bar for each scheme, as SVG."""
    kind = "audio" if "audio" in result["sets"] else "rendered"
    attacks = result["sets"][kind]["attacks"]
    names = list(result["schemes"])
    row, left, width = 9 * len(names) + 7, 210, 640
    height = 56 + row * len(attacks)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        'role="img" aria-label="Marks read after each attack" '
        'font-family="system-ui, sans-serif" font-size="11" fill="currentColor">'
        "<title>Marks read after each attack</title>"
        f'<text x="{left}" y="16" font-size="13" font-weight="600">'
        f"Marks read whole after each attack ({kind})</text>"
    ]
    for i, name in enumerate(names):
        x = left + 110 * i
        parts.append(
            f'<rect x="{x}" y="26" width="10" height="10" fill="{_COLOURS[i]}"/>'
            f'<text x="{x + 14}" y="35">{escape(name)}</text>'
        )
    for i, (attack, facts) in enumerate(attacks.items()):
        y = 48 + row * i
        parts.append(
            f'<text x="{left - 8}" y="{y + row / 2 + 1:g}" text-anchor="end">'
            f"{escape(attack)}</text>"
        )
        for j, name in enumerate(names):
            parts.append(_bar(facts["schemes"][name]["whole"], left, y + 9 * j, j))
    return "".join(parts) + "</svg>\n"


def _bar(rate: Json, left: int, y: float, number: int) -> str:
    full = 640 - left - 20
    low, high = (left + full * v for v in rate["interval_90"])
    return (
        f'<rect x="{left}" y="{y:g}" width="{full * rate["rate"]:.1f}" height="7" '
        f'fill="{_COLOURS[number]}"/>'
        f'<path d="M{low:.1f} {y + 3.5:g}H{high:.1f}" stroke="currentColor" '
        'stroke-opacity="0.6"/>'
    )
