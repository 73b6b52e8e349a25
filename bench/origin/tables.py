"""The tables of `docs/origin.md`, from the document of results.

Each goes between `<!-- results: NAME -->` and `<!-- end of results -->`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

__all__ = ["write_docs"]

Json = dict[str, Any]
_PLACE = re.compile(
    r"(<!-- results: (?P<name>\w+) -->\n).*?(<!-- end of results -->)", re.DOTALL
)
_BARE = "without decoding it"
_FAMILIES = {"codecs, rates, noise": "0.05", "pitch and speed": "0.12"}


def write_docs(document: Json, page: Path) -> None:
    """Write the tables into the page."""
    text = page.read_text(encoding="utf-8")
    changed = _PLACE.sub(lambda m: f"{m[1]}{TABLES[m['name']](document)}\n{m[3]}", text)
    page.write_text(changed, encoding="utf-8")


def _table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(row)} |" for row in lines)


def _rate(found: Json | None) -> str:
    if found is None:
        return "–"
    low, high = found["interval_90"]
    return f"{found['rate']:.3f} ({low:.2f} to {high:.2f}, n = {found['n']})"


def _of(found: Json) -> str:
    return f"{round(found['rate'] * found['n'])} of {found['n']}"


def _summary(d: Json) -> str:
    speed = f"{d['speed']['seconds_a_minute']:.3f}"
    rows = [
        *_naming_rows(d),
        *_accused_rows(d),
        *_lost(d["transformations"]),
        [
            "seconds of one core for a minute of sound, without decoding it",
            "0.5",
            speed,
        ],
    ]
    return _table(["What", "Target", "Found"], rows)


def _naming_rows(d: Json) -> list[list[str]]:
    closed, unseen, asked = d["closed"], d["open"], d["with_model"]
    low, high = unseen["auroc_interval_90"]
    auroc = f"{unseen['auroc']:.3f} ({low:.3f} to {high:.3f})"
    half = _rate(unseen["wrong_among_named_half_unseen"])
    return [
        ["called `ai`, the right class nearest", "0.97", _rate(closed["right"])],
        ["the same, with the studio's model asked", "0.97", _rate(asked["right"])],
        ["given the right name", "", _rate(closed["named_right"])],
        ["wrong among names, enrolled generators", "0.02",
         _rate(closed["wrong_among_named"])],
        ["wrong among names, half of the sounds by generators held out", "0.02", half],
        ["held-out generators told from enrolled ones, AUROC", "0.95", auroc],
        ["held-out generators called `ai`", "", _rate(unseen["unseen_called_ai"])],
    ]  # fmt: skip


def _accused_rows(d: Json) -> list[list[str]]:
    people, asked = d["people"], d["with_model"]
    return [
        ["recordings by people called `ai`, all excerpts", "0.01",
         _rate(people["called_ai"])],
        ["the same, of recordings that no setting was chosen on", "0.01",
         _rate(people["called_ai_test_half"])],
        *_apart_rows(d),
        ["recordings by people called `ai`, one excerpt each, with that model asked",
         "0.01", _rate(asked["people_called_ai"])],
    ]  # fmt: skip


def _apart_rows(d: Json) -> list[list[str]]:
    if not (apart := d.get("apart")):
        return []
    return [
        ["recordings by people of other collections called `ai`, all excerpts", "0.01",
         _rate(apart["called_ai"])],
        ["the same, of collections that settings were chosen on", "0.01",
         _rate(apart["called_ai_seen"])],
    ]  # fmt: skip


def _lost(found: Json) -> list[list[str]]:
    rows = []
    for family, target in _FAMILIES.items():
        most, kind = found["nearest_lost_most"][family]
        mean = found["nearest_lost_mean"][family]
        what = f"right class nearest, lost under {family}, mean (worst)"
        rows.append([what, target, f"{mean:.3f} ({most:.3f}: {kind})"])
    return rows


def _generators(d: Json) -> str:
    closed, unseen = d["closed"]["by_generator"], d["open"]["by_generator"]
    held = d["with_model"]["by_generator"]
    rows = [
        [
            f"`{name}`",
            _of(found),
            _of(held[name]),
            f"{unseen[name]['called_ai']} of {unseen[name]['n']}",
            str(unseen[name]["named"]),
            f"{unseen[name]['auroc']:.3f}",
        ]
        for name, found in closed.items()
    ]
    return _table(
        [
            "Generator",
            "`ai` and nearest",
            "with the studio's model asked",
            "`ai` when held out",
            "named then",
            "AUROC",
        ],
        rows,
    )


def _changes(d: Json) -> str:
    keys = "nearest_right", "right", "right_wary"
    rows = [
        [kind, *(f"{row[k]['rate']:.3f}" for k in keys), _of(row["people_called_ai"])]
        for kind, row in d["transformations"]["table"].items()
    ]
    return _table(
        ["Change", "Nearest", "And `ai`", "And `ai`, wary", "People called `ai`"], rows
    )


def _attacks(d: Json) -> str:
    rows = [
        [
            f"{side.capitalize()}: {kind}",
            _of(found["called_ai"]),
            _of(found["called_ai_wary"]),
            _of(found["named_as_it"]),
            f"{found['snr_db']:.1f}",
            f"{found['log_spectral_distance_db']:.2f}",
        ]
        for side, table in d["attacks"].items()
        for kind, found in table.items()
    ]
    return _table(
        [
            "Attack",
            "Called `ai`",
            "`ai`, wary",
            "Named as it",
            "SNR, dB",
            "Log-spectral distance, dB",
        ],
        rows,
    )


def _songs(d: Json) -> str:
    def listed(values: list[float]) -> str:
        return ", ".join(f"{v:.3g}" for v in values)

    rows = [
        [
            step,
            listed([s["p_value"] for s in row["residual"]]),
            listed(row["reconstruction_p"]),
            listed(row["likelihood_p"]),
            f"{row['n_nearest_studio']} of {row['n']}",
        ]
        for step, row in d["songs"]["steps"].items()
    ]
    return _table(
        ["Step", "Traces, doubled", "Reconstruction", "Likelihood", "`studio` nearest"],
        rows,
    )


def _clips(d: Json) -> str:
    rows = [
        [
            name,
            str(found["called_ai"]["n"]),
            _rate(found["called_ai"]).partition(", n")[0] + ")",
            _rate(found["right"]).partition(", n")[0] + ")",
        ]
        for name, found in d["clips"]["by_generator"].items()
    ]
    return _table(["Label", "n", "Called `ai`", "And nearest right"], rows)


def _lengths(d: Json) -> str:
    rows = [[k, _of(found)] for k, found in d["lengths"]["people_called_ai"].items()]
    return _table(["People's recordings cut to", "Called `ai`"], rows)


def _people(d: Json) -> str:
    return _by_collection(d["people"]["by_collection"])


def _apart(d: Json) -> str:
    return _by_collection(d["apart"]["by_collection"])


def _by_collection(found: Json) -> str:
    rows = [
        [name, _of(row), f"up to {row['interval_90'][1]:.2f}"]
        for name, row in found.items()
    ]
    return _table(["Collection", "Called `ai`", "90 % interval"], rows)


TABLES: dict[str, Callable[[Json], str]] = {
    "summary": _summary,
    "generators": _generators,
    "changes": _changes,
    "attacks": _attacks,
    "songs": _songs,
    "clips": _clips,
    "lengths": _lengths,
    "people": _people,
    "apart": _apart,
}
