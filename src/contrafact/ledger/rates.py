"""Rate cards and split plans: what part of a play is royalty, and whose it is.

Both are versioned by time. A day that no version covers is a *gap*: what was
earned on it is held, under that name, until a version for it comes. Two
versions for one day are refused, unless the later says which it replaces.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from fractions import Fraction
from typing import Any, TypeVar

from contrafact.core.errors import PlanError

__all__ = [
    "BUCKETS",
    "PlanLine",
    "RateCard",
    "SplitPlan",
    "card_from_json",
    "card_to_json",
    "effective",
    "identified",
    "line_to_json",
    "plan_from_json",
    "plan_to_json",
    "require_no_overlap",
]

BUCKETS = ("attributed", "background", "unmatched")
_FOREVER = date.max
# Much quicker to read than all that `Fraction` understands.
_PLAIN = re.compile(r"\d{1,400}(/\d{1,400})?", re.ASCII)
Json = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class RateCard:
    """Which part of what a play earned goes to rights holders.

    Attributes:
        currency: ISO 4217 code.
        rate: In [0, 1]; the rest is the platform's.
        valid_from: The first day, UTC.
        valid_until: The last day; None if open.
        play_kind: The kind of play it is for; None for every kind.
        replaces: Id of the card that ends where this one begins, or None.

    Raises:
        PlanError: If the rate is out of range or the days run backwards.
    """

    currency: str
    rate: Fraction
    valid_from: date
    valid_until: date | None = None
    play_kind: str | None = None
    replaces: str | None = None

    def __post_init__(self) -> None:
        """Check what cannot be."""
        if not 0 <= self.rate <= 1:
            raise PlanError(f"A rate is from 0 to 1, not {self.rate}. Correct it.")
        _require_forward(self)

    @property
    def id(self) -> str:
        """From its content: `RC-` and 16 digits."""
        return identified("RC", card_to_json(self))

    @property
    def scope(self) -> tuple[str, ...]:
        """What it speaks of; two cards of one scope must not overlap."""
        return (self.currency, self.play_kind or "")


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanLine:
    """Which part of an output's royalty goes where, and why.

    Attributes:
        bucket: `attributed`, `background` or `unmatched`.
        payee: Who is paid; None where the part is held.
        right: `master` or `composition`.
        source_id: The recording or work; "" for a part over many sources.
        weight: The part of the royalty, above 0 and at most 1.
        part: The part of the royalty that is for this right.
        share: The source's share; None where the policy gave it otherwise.
        low: Low end of the share's interval, if it has one.
        high: High end.
        fraction: The payee's part of the right in the source, if there is one.
        hold_reason: Why it is held; "" if it is not.
    """

    bucket: str
    payee: str | None
    right: str
    source_id: str
    weight: Fraction
    part: Fraction = Fraction(1)
    share: Fraction | None = None
    low: Fraction | None = None
    high: Fraction | None = None
    fraction: Fraction | None = None
    hold_reason: str = ""

    @property
    def account(self) -> str:
        """The account that it goes to."""
        if self.payee is not None:
            return f"payee:{self.payee}"
        return f"held:{self.hold_reason or self.bucket}"


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitPlan:
    """Who gets what of an output, from a day on.

    Attributes:
        lines: Their weights sum to exactly 1.
        attribution_id: The run that found the shares.
        model: Digest of the generative model.
        corpus: Digest of what it learned from.
        policy: Name and version, as in `influence/1`.
        territory: Countries it is for; None for those that no plan names.
        replaces: Id of the plan that ends where this one begins, or None.

    Raises:
        PlanError: If the weights do not sum to 1, or the days run backwards.
    """

    output_id: str
    lines: tuple[PlanLine, ...]
    attribution_id: str
    model: str
    corpus: str
    policy: str
    valid_from: date
    valid_until: date | None = None
    territory: frozenset[str] | None = None
    replaces: str | None = None

    def __post_init__(self) -> None:
        """Check what cannot be."""
        # A common denominator: fractions added one by one are reduced each time.
        common = math.lcm(*(line.weight.denominator for line in self.lines))
        parts = [
            n.weight.numerator * (common // n.weight.denominator) for n in self.lines
        ]
        total = Fraction(sum(parts), common)
        if total != 1 or any(line.weight <= 0 for line in self.lines):
            raise PlanError(
                f"The parts of {self.output_id} sum to {total}, not 1, or one is not "
                "above 0. Give the rest a line of its own, in the bucket "
                "'background' or 'unmatched'."
            )
        if unknown := {line.bucket for line in self.lines} - set(BUCKETS):
            raise PlanError(
                f"There is no bucket {min(unknown)!r}. Use one of: "
                f"{', '.join(BUCKETS)}."
            )
        _require_forward(self)

    @property
    def id(self) -> str:
        """From its content: `SP-` and 16 digits."""
        return identified("SP", plan_to_json(self))

    @property
    def scope(self) -> tuple[str, ...]:
        """What it speaks of; two plans of one scope must not overlap."""
        return (self.output_id, *sorted(self.territory or ()))


def _require_forward(version: RateCard | SplitPlan) -> None:
    last = version.valid_until
    if last is not None and last < version.valid_from:
        raise PlanError(
            f"It is valid from {version.valid_from} until {last}, which runs "
            "backwards. Correct one of the days."
        )


V = TypeVar("V", RateCard, SplitPlan)


def identified(prefix: str, document: Json) -> str:
    """Return an identifier that is made from a document's content."""
    text = json.dumps(document, sort_keys=True, separators=(",", ":"))
    return f"{prefix}-{hashlib.sha256(text.encode()).hexdigest()[:16]}"


def effective(versions: Iterable[V]) -> list[tuple[V, date, date]]:
    """Return versions with the first and last day on which they really count.

    A version ends on the day before the one that replaces it begins. One whose
    days are all replaced is left out.
    """
    every: list[V] = list(versions)
    ends: dict[str, date] = {}
    for version in every:
        if version.replaces is not None:
            known = ends.get(version.replaces, _FOREVER)
            ends[version.replaces] = min(known, version.valid_from)
    found = []
    for version in every:
        last = version.valid_until or _FOREVER
        end = ends.get(version.id) if ends else None
        if end is not None and end <= last:
            last = date.fromordinal(max(end.toordinal() - 1, 1))
        if version.valid_from <= last:
            found.append((version, version.valid_from, last))
    return found


def require_no_overlap(known: Iterable[V], new: V) -> None:
    """Refuse a version for days that another of its scope covers already.

    Raises:
        PlanError: If there is one, or what it replaces is not there.
    """
    others: list[V] = list(known)
    if new.replaces is not None and new.replaces not in {v.id for v in others}:
        raise PlanError(
            f"It replaces {new.replaces}, which is not in the journal for this "
            "output or currency. Correct the id."
        )
    others.append(new)
    for old, first, last in effective(others):
        if old.id == new.id or not _is_near(old, new):
            continue
        if first <= (new.valid_until or _FOREVER) and new.valid_from <= last:
            end = "" if last == _FOREVER else f" until {last}"
            raise PlanError(
                f"{old.id} is valid from {first}{end} already. Let the new one begin "
                f"later, or let it say that it replaces {old.id}."
            )


def _is_near(old: RateCard | SplitPlan, new: RateCard | SplitPlan) -> bool:
    """Tell whether two versions speak of the same."""
    if isinstance(old, SplitPlan) and isinstance(new, SplitPlan):
        if old.territory is None or new.territory is None:
            return old.territory == new.territory
        return bool(old.territory & new.territory)
    return old.scope == new.scope


def card_to_json(card: RateCard) -> Json:
    """Return a rate card as a JSON document."""
    return {
        "currency": card.currency,
        "rate": str(card.rate),
        "valid_from": card.valid_from.isoformat(),
        "valid_until": card.valid_until and card.valid_until.isoformat(),
        "play_kind": card.play_kind,
        "replaces": card.replaces,
    }


def card_from_json(document: Json) -> RateCard:
    """Return the rate card that a document states.

    Raises:
        PlanError: If it is none.
    """
    try:
        return RateCard(
            currency=str(document["currency"]),
            rate=_fraction(document["rate"]),
            valid_from=date.fromisoformat(document["valid_from"]),
            valid_until=_day(document.get("valid_until")),
            play_kind=document.get("play_kind"),
            replaces=document.get("replaces"),
        )
    except PlanError:
        raise
    except (KeyError, TypeError, ValueError, ZeroDivisionError) as error:
        raise _refused("rate card", error) from error


def line_to_json(line: PlanLine) -> Json:
    """Return a line of a plan as a JSON document; fractions as texts."""
    plain: Json = {
        name: getattr(line, name)
        for name in ("bucket", "payee", "right", "source_id", "hold_reason")
    }
    for name in ("weight", "part", "share", "low", "high", "fraction"):
        value = getattr(line, name)
        plain[name] = None if value is None else str(value)
    return plain


def plan_to_json(plan: SplitPlan) -> Json:
    """Return a split plan as a JSON document."""
    names = ("output_id", "attribution_id", "model", "corpus", "policy", "replaces")
    return {
        **{name: getattr(plan, name) for name in names},
        "valid_from": plan.valid_from.isoformat(),
        "valid_until": plan.valid_until and plan.valid_until.isoformat(),
        "territory": None if plan.territory is None else sorted(plan.territory),
        "lines": [line_to_json(line) for line in plan.lines],
    }


def plan_from_json(document: Json) -> SplitPlan:
    """Return the split plan that a document states.

    Raises:
        PlanError: If it is none, or its parts do not sum to 1.
    """
    try:
        names = ("output_id", "attribution_id", "model", "corpus", "policy")
        territory = document.get("territory")
        return SplitPlan(
            **{name: str(document[name]) for name in names},
            lines=tuple(_line(line) for line in document["lines"]),
            valid_from=date.fromisoformat(document["valid_from"]),
            valid_until=_day(document.get("valid_until")),
            territory=None if territory is None else frozenset(territory),
            replaces=document.get("replaces"),
        )
    except PlanError:
        raise
    except (KeyError, TypeError, ValueError, ZeroDivisionError) as error:
        raise _refused("split plan", error) from error


def _line(document: Json) -> PlanLine:
    fractions = {
        name: _fraction(document[name])
        for name in ("weight", "part", "share", "low", "high", "fraction")
        if document.get(name) is not None
    }
    return PlanLine(
        bucket=document["bucket"],
        payee=document.get("payee"),
        right=document["right"],
        source_id=document.get("source_id", ""),
        hold_reason=document.get("hold_reason", ""),
        **fractions,
    )


def _fraction(value: object) -> Fraction:
    """Return an exact fraction; a float is refused, since it is none."""
    if isinstance(value, str) and _PLAIN.fullmatch(value):
        above, _, below = value.partition("/")
        return Fraction(int(above), int(below or 1))
    if isinstance(value, str | int) and not isinstance(value, bool):
        return Fraction(value)
    raise ValueError(f"{value!r} is no exact fraction; write it as a text")


def _day(text: str | None) -> date | None:
    return None if text is None else date.fromisoformat(text)


def _refused(what: str, error: Exception) -> PlanError:
    found = f"{type(error).__name__}: {error}"
    if isinstance(error, KeyError):
        found = f"'{error.args[0]}' is missing"
    return PlanError(f"A {what} cannot be read: {found}. See docs/ledger.md.")
