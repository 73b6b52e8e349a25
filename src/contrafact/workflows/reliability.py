"""How far attribution to a catalogue can be trusted: measured by training again.

Every verification trained the model without some recordings and measured by
how much the song's loss rose; attribution had predicted a rise. Those of one
catalogue say how reliable attribution to it is, and all together stand in
where a catalogue has too few.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from fractions import Fraction
from typing import Any

from contrafact.catalog import Workspace
from contrafact.core.errors import AllocationError
from contrafact.ledger.case import Facts
from contrafact.ledger.policies import reliability_of

__all__ = ["measured_reliability"]

_NEEDED = 3
_Pairs = list[tuple[float, float]]


def measured_reliability(workspace: Workspace, facts: Facts) -> dict[str, Fraction]:
    """Return the reliability of every catalogue, in [0, 1].

    A removal is of a catalogue if more than half of the removed recordings are
    its. A catalogue with fewer than three removals has the reliability of all
    removals of the workspace; without three of these, it is 0: nothing was
    measured, so nothing is paid by attribution where it must be reliable.

    Args:
        workspace: Its verifications are read.
        facts: Say which catalogue a source is in.

    Raises:
        AllocationError: If a verification is damaged.
    """
    by_catalogue: dict[str, _Pairs] = defaultdict(list)
    everything: _Pairs = []
    for catalogue, pair in _measured(workspace, facts):
        everything.append(pair)
        if catalogue is not None:
            by_catalogue[catalogue].append(pair)
    general = _of(everything)
    return {
        name: _of(by_catalogue[name])
        if len(by_catalogue.get(name, ())) >= _NEEDED
        else general
        for name in sorted({facts.catalogue_of(source) for source in facts.sizes})
    }


def _of(pairs: _Pairs) -> Fraction:
    return reliability_of([p for p, _ in pairs], [m for _, m in pairs])


def _measured(
    workspace: Workspace, facts: Facts
) -> Iterator[tuple[str | None, tuple[float, float]]]:
    """Yield predicted and measured rise of every removal, with its catalogue."""
    for path in sorted(workspace.attributions_dir.glob("*/verification.json")):
        try:
            removals = json.loads(path.read_text("utf-8"))["removals"]
            text = path.with_name("attribution.json").read_text("utf-8")
            influence = _influences(json.loads(text))
            for removal in removals:
                ids = removal["recording_ids"]
                predicted = sum(influence.get(id_, 0.0) for id_ in ids)
                yield _main(ids, facts), (predicted, float(removal["rise"]))
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise AllocationError(
                f"{path} is damaged ({error}). Delete it and verify again."
            ) from error


def _influences(document: Mapping[str, Any]) -> dict[str, float]:
    rows = document["tables"]["recording"]["shares"]
    return {row["id"]: float(row["influence"]) for row in rows}


def _main(ids: list[str], facts: Facts) -> str | None:
    """Return the catalogue that more than half of the recordings are in, if any."""
    counts = Counter(facts.catalogue_of(id_) for id_ in ids)
    name, count = counts.most_common(1)[0] if counts else ("", 0)
    return name if 2 * count > len(ids) else None
