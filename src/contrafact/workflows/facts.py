"""What an allocation may be told besides events: a JSON file, checked."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

from contrafact.core.errors import AllocationError
from contrafact.ledger.case import Facts
from contrafact.ledger.codecs import exact, utilities_from_json
from contrafact.ledger.policies import reliability_of

__all__ = ["FACT_FIELDS", "KnownFacts", "read_facts"]

FACT_FIELDS: dict[str, str] = {
    "reliability": "by catalogue: a number in [0, 1], or an object with lists "
    "`predicted` and `measured` of influence, from leaving the catalogue out",
    "default_reliability": "of catalogues that are not named; what was "
    "measured by `contrafact verify` if not given",
    "utilities": "by output: a list of objects with `groups` and `utility`",
    "groups": "by group: a list of its sources",
    "clusters": "by source: the cluster of duplicates that it is in",
    "history": "by catalogue: its part of the pool in the period before",
}
"""The fields of the file, each with what it means."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownFacts:
    """What the file said.

    Attributes:
        default_reliability: Of catalogues that it does not name; None if it
            does not say.
        notices: What a reader must know.
    """

    reliability: Mapping[str, Fraction] = field(default_factory=dict)
    default_reliability: Fraction | None = None
    utilities: Mapping[str, Mapping[frozenset[str], Fraction]] = field(
        default_factory=dict
    )
    groups: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    clusters: Mapping[str, str] = field(default_factory=dict)
    history: Mapping[str, Fraction] = field(default_factory=dict)
    notices: tuple[str, ...] = ()

    def added_to(self, facts: Facts, *, measured: Mapping[str, Fraction]) -> Facts:
        """Return facts with what the file said, and what was measured otherwise.

        Args:
            facts: What the catalog says.
            measured: Reliability by catalogue, from verifications; the file
                has the last word.
        """
        names = {facts.catalogue_of(source) for source in facts.sizes}
        default = self.default_reliability or Fraction(0)
        general = {name: measured.get(name, default) for name in sorted(names)}
        if self.default_reliability is not None:
            general = dict.fromkeys(general, default)
        return replace(
            facts,
            reliability={**general, **self.reliability},
            utilities=self.utilities,
            groups=self.groups,
        )


def read_facts(path: Path | None) -> KnownFacts:
    """Read a file of facts; without one, nothing is known.

    Raises:
        AllocationError: If it cannot be read, or holds something else.
    """
    if path is None:
        return KnownFacts()
    try:
        document = json.loads(path.read_text("utf-8"))
        unknown = sorted(set(document) - set(FACT_FIELDS))
        if unknown:
            raise AllocationError(
                f"{path} has the unknown field '{unknown[0]}'. Known ones are "
                f"{', '.join(FACT_FIELDS)}."
            )
        return _parsed(document)
    except (OSError, ValueError, TypeError, AttributeError, KeyError) as error:
        if isinstance(error, AllocationError):
            raise
        raise AllocationError(
            f"{path} cannot be used as facts ({error}). It is one JSON object with "
            f"the fields {', '.join(FACT_FIELDS)}."
        ) from error


def _parsed(document: Mapping[str, Any]) -> KnownFacts:
    given = document.get("reliability", {})
    reliability = {name: _reliability(value) for name, value in given.items()}
    groups = document.get("groups", {})
    return KnownFacts(
        reliability=reliability,
        default_reliability=exact(document["default_reliability"])
        if "default_reliability" in document
        else None,
        utilities=utilities_from_json(document.get("utilities", {})),
        groups={name: tuple(members) for name, members in groups.items()},
        clusters=dict(document.get("clusters", {})),
        history={k: exact(v) for k, v in document.get("history", {}).items()},
        notices=tuple(
            f"The reliability of {name} was measured as {float(value):.4f}."
            for name, value in reliability.items()
            if isinstance(given[name], dict)
        ),
    )


def _reliability(given: Any) -> Fraction:
    if isinstance(given, dict):
        return reliability_of(given["predicted"], given["measured"])
    return exact(given)
