"""Records as JSON and CSV have them.

Whatever is found in floating point becomes exact here and only here: the
number is the decimal that the file states, cut to twelve decimals. Shares and
the low ends of intervals are rounded down, high ends up.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal, InvalidOperation
from fractions import Fraction
from typing import Any

from contrafact.core.entities import Problem
from contrafact.core.errors import AllocationError
from contrafact.ledger.records import OutputAttribution, PlayEvent, ShareRecord

__all__ = [
    "PLAY_FIELDS",
    "attribution_records",
    "exact",
    "play_from_json",
    "play_to_json",
    "plays_to_csv",
    "read_plays",
    "utilities_from_json",
]

_QUANTUM = Decimal(1).scaleb(-12)
_MAX_DIGITS = 30
_TOLERANCE = Fraction(1, 10**6)

PLAY_FIELDS: dict[str, str] = {
    "event_id": "from whoever reports it; counts once, for good",
    "output_id": "the song, by the SHA-256 of its file; empty for a subscription",
    "at": "when, with a time zone, as in 2026-01-31T12:00:00+00:00",
    "amount_minor": "what it earned, a whole number of minor units (cents)",
    "currency": "ISO 4217 code, such as EUR",
    "user": "who, under a pseudonym; may be empty",
    "territory": "country by ISO 3166-1 alpha-2; may be empty",
    "kind": "play, generation or subscription; play if empty",
}
"""The fields of an event, each with what it means."""


def exact(number: float | int | str | Decimal, *, is_up: bool = False) -> Fraction:
    """Return a number as the decimal it is written as, cut to twelve decimals.

    Args:
        number: Finite; a text may also be a fraction such as `1/3`, which stays
            as it is.
        is_up: Round up instead of down.

    Raises:
        AllocationError: If it is no finite number.

    Example:
        >>> exact(0.1), exact("1/3"), exact(1e-13, is_up=True)
        (Fraction(1, 10), Fraction(1, 3), Fraction(1, 1000000000000))
    """
    try:
        if isinstance(number, str) and "/" in number:
            return Fraction(number)
        decimal = Decimal(str(number))
        rounding = ROUND_CEILING if is_up else ROUND_FLOOR
        return Fraction(decimal.quantize(_QUANTUM, rounding=rounding))
    except (InvalidOperation, ValueError, ZeroDivisionError) as error:
        raise AllocationError(
            f"'{number}' is no number that money can follow. Correct the file."
        ) from error


def attribution_records(
    document: Mapping[str, Any], *, kinds: Iterable[str] = ("recording", "work")
) -> dict[str, OutputAttribution]:
    """Return the shares in what `contrafact attribute --json` printed.

    Args:
        document: Parsed; floats may be given as `Decimal`.
        kinds: Of sources; a kind that the document lacks is left out.

    Returns:
        By kind of source.

    Raises:
        AllocationError: If a share is no number, or they do not sum to 1 with
            the rest.

    References:
        The document is that of `core.results.attribution_to_json`.
    """
    found = {}
    try:
        for kind in kinds:
            if kind in document["tables"]:
                found[kind] = _attribution(document, kind)
    except (KeyError, TypeError, IndexError) as error:
        raise AllocationError(
            f"This is no attribution: {type(error).__name__} at {error}. Give what "
            "`contrafact attribute --json` printed."
        ) from error
    return found


def _attribution(document: Mapping[str, Any], kind: str) -> OutputAttribution:
    table, output = document["tables"][kind], document["query"]["digest"]
    shares = tuple(_share(row, output) for row in table["shares"])
    total = sum((s.share for s in shares), start=Fraction(0))
    stated = exact(table["unattributed"]["share"])
    if total > 1 or abs(total + stated - 1) > _TOLERANCE:
        raise AllocationError(
            f"Shares of {output} by {kind} sum to {float(total):g} and the rest is "
            f"{float(stated):g}, not 1 together. Attribute the song again."
        )
    return OutputAttribution(
        output_id=output,
        attribution_id=document["attribution_id"],
        model=document["model"]["digest"],
        corpus=document["corpus"]["digest"],
        shares=shares,
        unattributed=1 - total,
        kind=kind,
    )


def _share(row: Mapping[str, Any], output: str) -> ShareRecord:
    share = exact(row["share"])
    return ShareRecord(
        output_id=output,
        source_id=row["id"],
        share=share,
        low=exact(row["interval"][0]),
        high=exact(row["interval"][1], is_up=True),
        is_significant=share > 0,
    )


def play_to_json(event: PlayEvent) -> dict[str, Any]:
    """Return an event as JSON has it; times are in UTC."""
    plain = {name: getattr(event, name) for name in PLAY_FIELDS}
    return {**plain, "at": event.at.astimezone(UTC).isoformat()}


def play_from_json(plain: Mapping[str, Any]) -> PlayEvent:
    """Return the event that a JSON object or a row of a table states.

    Raises:
        AllocationError: If a field is missing or is not what it should be.

    Example:
        >>> play = play_from_json({"event_id": "e1", "output_id": "s", "currency":
        ...     "EUR", "at": "2026-01-31T12:00:00Z", "amount_minor": "4"})
        >>> play.amount_minor, play.kind
        (4, 'play')
    """
    for name in ("event_id", "at", "amount_minor", "currency"):
        if plain.get(name) in (None, ""):
            raise AllocationError(f"Field {name} is missing: {PLAY_FIELDS[name]}.")
    event = PlayEvent(
        event_id=str(plain["event_id"]),
        output_id=str(plain.get("output_id") or ""),
        at=_time(plain["at"]),
        amount_minor=_whole(plain["amount_minor"]),
        currency=str(plain["currency"]),
        user=str(plain.get("user") or ""),
        territory=str(plain.get("territory") or ""),
        kind=str(plain.get("kind") or "play"),
    )
    if event.amount_minor < 0:
        raise AllocationError(
            f"amount_minor is {event.amount_minor}. Take a wrong event back by a "
            "reversal, not by a negative amount."
        )
    if not event.output_id and event.kind != "subscription":
        raise AllocationError(f"A {event.kind} needs an output_id: the song's SHA-256.")
    return event


def _time(given: object) -> datetime:
    try:
        at = (
            given if isinstance(given, datetime) else datetime.fromisoformat(str(given))
        )
    except ValueError as error:
        raise AllocationError(f"at is '{given}': {PLAY_FIELDS['at']}.") from error
    if at.tzinfo is None:
        raise AllocationError(f"at is '{given}', without a zone: {PLAY_FIELDS['at']}.")
    return at


def _whole(given: object) -> int:
    try:
        number = Decimal(str(given))
        # Before it is made whole: 1e999999999 would not fit into memory.
        is_huge = not number.is_finite() or number.adjusted() > _MAX_DIGITS
        if isinstance(given, bool) or is_huge or number != number.to_integral_value():
            raise ValueError
    except (InvalidOperation, ValueError) as error:
        raise AllocationError(
            f"amount_minor is '{given}': {PLAY_FIELDS['amount_minor']}."
        ) from error
    return int(number)


def read_plays(
    text: Iterable[str], *, source: str, report: Callable[[Problem], None]
) -> Iterator[PlayEvent]:
    """Yield the events of a file of JSON lines, or of CSV with a header.

    Args:
        text: Its lines. CSV if the first does not begin with `{`.
        source: Its name, for problems.
        report: Told of every line that is left out.
    """
    lines = iter(text)
    first = next((line for line in lines if line.strip()), "")

    def everything() -> Iterator[str]:
        yield first
        yield from lines

    is_json = first.lstrip("\ufeff ").startswith("{")
    rows = _json_rows(everything()) if is_json else _csv_rows(everything())
    for number, row in rows:
        try:
            if not isinstance(row, dict):
                raise AllocationError(
                    "It is no JSON object with the fields of an event."
                )
            yield play_from_json(row)
        except AllocationError as error:
            report(Problem(source=f"{source}:{number}", message=str(error)))


def _json_rows(lines: Iterable[str]) -> Iterator[tuple[int, object]]:
    for number, line in enumerate(lines, start=1):
        if line.strip():
            try:
                yield number, json.loads(line.lstrip("\ufeff"), parse_float=Decimal)
            except ValueError:
                yield number, None


def _csv_rows(lines: Iterable[str]) -> Iterator[tuple[int, object]]:
    reader = csv.DictReader(line.lstrip("\ufeff") for line in lines)
    for row in reader:
        yield reader.line_num, row


def plays_to_csv(events: Iterable[PlayEvent]) -> str:
    """Return events as CSV with a header."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, PLAY_FIELDS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(map(play_to_json, events))
    return text.getvalue()


def utilities_from_json(
    document: Mapping[str, Any],
) -> dict[str, dict[frozenset[str], Fraction]]:
    """Return the utilities of coalitions, by output.

    Args:
        document: By output, a list of `{"groups": [...], "utility": number}`.

    Raises:
        AllocationError: If it is something else.
    """
    try:
        return {
            output: {frozenset(row["groups"]): exact(row["utility"]) for row in rows}
            for output, rows in document.items()
        }
    except (KeyError, TypeError, AttributeError) as error:
        raise AllocationError(
            "A table of utilities has, for each output, a list of objects with "
            f"'groups' and 'utility' ({type(error).__name__}: {error})."
        ) from error
