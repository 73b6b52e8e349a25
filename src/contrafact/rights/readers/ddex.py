"""DDEX release notifications: deals that allow training, and what is machine-made.

ERN 4.3 and 4.3.2. A deal with a use type for training, data mining or
identification is a permission by the sender of the message for the master of
every sound recording of the release. It says nothing about the composition:
a label's grant does not reach the rights in the musical work.

Terms that this reader cannot honour make a deal no permission at all: without
a territory, for one distribution channel, for a number of uses, for pre-orders.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from pathlib import Path

from lxml import etree

from contrafact.core.errors import ConsentError, IdentifierError, RightsFileError
from contrafact.rights.consent import AiDisclosure, Consent, Right, SubjectKind, Use
from contrafact.rights.identifiers import parse_isrc
from contrafact.rights.readers._problems import ProblemLog
from contrafact.rights.readers._xml import (
    children,
    first_text,
    local_name,
    parse_xml,
    schema_faults,
)
from contrafact.rights.territory import Territory

__all__ = ["USE_TYPES", "read_ddex"]

USE_TYPES = {
    "UseForTrainingGenerativeAI": Use.TRAIN_GENERATIVE,
    "UseForTrainingNonGenerativeAI": Use.TRAIN_NON_GENERATIVE,
    "UseForDataMining": Use.TEXT_AND_DATA_MINING,
    "UseForIdentification": Use.IDENTIFICATION,
}
"""Use types of the allowed value sets that are consents here."""

_VERSIONS = ("http://ddex.net/xml/ern/43", "http://ddex.net/xml/ern/432")
_UNHONOURED = {
    "DistributionChannel": "it is for certain distribution channels only",
    "ExcludedDistributionChannel": "it excludes distribution channels",
    "NumberOfUsages": "it is for a number of uses",
}
_AI_VALUES = ("All", "Partly", "None")
_DAY = timedelta(days=1)
_LAST_MINUTE = time(23, 59)

Span = tuple[date, date | None]


@dataclass(frozen=True, slots=True)
class _Message:
    """What the parts of a message are read with."""

    path: Path
    digest: str
    grantor: str
    created: date
    problems: ProblemLog

    def place(self, element: etree._Element) -> str:
        return f"{self.path}:{element.sourceline}"

    def source(self, element: etree._Element) -> str:
        return f"{self.path.name}:{element.sourceline}"


@dataclass(frozen=True, slots=True)
class _Sound:
    """A sound recording of the message."""

    isrc: str
    title: str | None


def read_ddex(
    path: Path, problems: ProblemLog, *, digest: str, schema: Path | None = None
) -> Iterator[Consent | AiDisclosure]:
    """Yield the consents and disclosures of a message.

    Args:
        path: A NewReleaseMessage of ERN 4.3 or 4.3.2.
        problems: Told of all that cannot be taken as it stands.
        digest: SHA-256 of the file.
        schema: The user's own copy of the message's XSD, to check against.

    Raises:
        RightsFileError: If it is no such message.
    """
    root = parse_xml(path)
    name = etree.QName(root)
    if name.localname != "NewReleaseMessage" or name.namespace not in _VERSIONS:
        raise RightsFileError(
            f"{path} is a {name.localname} of '{name.namespace}', not a "
            "NewReleaseMessage of ERN 4.3 or 4.3.2. Ask its sender for one."
        )
    if schema is not None:
        faults = schema_faults(root, schema)
        for line, text in faults:
            problems.bad(f"{path}:{line}", f"against the schema: {text}")
        if faults:
            return
    message = _Message(path, digest, *_header(root, path), problems)
    sounds: dict[str, _Sound] = {}
    for element in children(root, "ResourceList", "SoundRecording"):
        sound = _sound(element, message)
        reference = first_text(element, "ResourceReference")
        if sound is None or reference is None:
            continue
        sounds[reference] = sound
        yield from _disclosures(element, sound, message)
    _report_shared(sounds, message)
    yield from _consents(root, sounds, message)


def _header(root: etree._Element, path: Path) -> tuple[str, date]:
    sender = first_text(
        root, "MessageHeader", "SentOnBehalfOf", "PartyName", "FullName"
    ) or first_text(root, "MessageHeader", "MessageSender", "PartyName", "FullName")
    created = first_text(root, "MessageHeader", "MessageCreatedDateTime")
    if sender is None or created is None:
        raise RightsFileError(
            f"{path} does not say who sent it and when. Ask its sender to correct it."
        )
    try:
        return sender, datetime.fromisoformat(created).date()
    except ValueError as error:
        raise RightsFileError(
            f"{path}: MessageCreatedDateTime '{created}' is no time. Correct it."
        ) from error


def _sound(element: etree._Element, message: _Message) -> _Sound | None:
    text = first_text(
        element, "SoundRecordingEdition", "ResourceId", "ISRC"
    ) or first_text(element, "ResourceId", "ISRC")
    if text is None:
        where = message.place(element)
        message.problems.bad(where, "a sound recording without an ISRC. Give it one.")
        return None
    try:
        isrc = parse_isrc(text)
    except IdentifierError as error:
        message.problems.bad(message.place(element), str(error))
        return None
    title = first_text(element, "DisplayTitleText") or first_text(
        element, "DisplayTitle", "TitleText"
    )
    return _Sound(isrc, title)


def _report_shared(sounds: Mapping[str, _Sound], message: _Message) -> None:
    """Tell of ISRCs that two recordings of the message bear."""
    ordered = sorted(sounds.items(), key=lambda item: (item[1].isrc, item[0]))
    for (one, a), (other, b) in itertools.pairwise(ordered):
        if a.isrc == b.isrc:
            text = f"ISRC {a.isrc} is on both {one} and {other}. Correct one of them."
            message.problems.note(str(message.path), text)


def _disclosures(
    element: etree._Element, sound: _Sound, message: _Message
) -> Iterator[AiDisclosure]:
    contains = first_text(element, "ContainsAI")
    parts = []
    for contributor in children(element, "Contributor"):
        value = first_text(contributor, "AiContribution")
        if value is not None:
            who = first_text(contributor, "ContributorPartyReference")
            special = first_text(contributor, "SpecialContributor")
            role = first_text(contributor, "Role") or "no role"
            parts.append((f"{who or special or 'unnamed'}, {role}", value))
    for value in filter(None, [contains, *(value for _, value in parts)]):
        if value not in _AI_VALUES:
            text = f"'{value}' is none of {', '.join(_AI_VALUES)}. Correct it."
            message.problems.bad(message.place(element), text)
            return
    if contains is not None or parts:
        yield AiDisclosure(
            subject_id=sound.isrc,
            contains_ai=contains,
            contributions=tuple(parts),
            source=message.source(element),
            source_digest=message.digest,
            signal_date=message.created,
        )


def _consents(
    root: etree._Element, sounds: Mapping[str, _Sound], message: _Message
) -> Iterator[Consent]:
    content = _releases(root)
    for deals in children(root, "DealList", "ReleaseDeal"):
        releases = [
            (reference.text or "").strip()
            for reference in children(deals, "DealReleaseReference")
        ]
        named = dict.fromkeys(
            resource for release in releases for resource in content.get(release, ())
        )
        meant = [sounds[name] for name in named if name in sounds]
        for terms in children(deals, "Deal", "DealTerms"):
            yield from _granted(terms, meant, message)


def _releases(root: etree._Element) -> dict[str, list[str]]:
    """Return the resources of every release, by reference."""
    found: dict[str, list[str]] = {}
    for release in children(root, "ReleaseList"):
        for element in release:
            reference = first_text(element, "ReleaseReference")
            if reference is not None:
                found[reference] = [
                    (below.text or "").strip()
                    for below in element.iter("{*}ReleaseResourceReference")
                ]
    return found


def _granted(
    terms: etree._Element, sounds: list[_Sound], message: _Message
) -> Iterator[Consent]:
    texts = [(use.text or "").strip() for use in children(terms, "UseType")]
    uses = [USE_TYPES[text] for text in dict.fromkeys(texts) if text in USE_TYPES]
    if not uses:
        return
    try:
        territory, spans = _terms(terms)
    except ConsentError as error:
        message.problems.bad(message.place(terms), str(error))
        return
    if not sounds:
        text = "a deal for training names no sound recording. Check its references."
        message.problems.note(message.place(terms), text)
    for sound, use, (first, last) in itertools.product(sounds, uses, spans):
        yield Consent(
            right=Right.MASTER,
            subject_kind=SubjectKind.RECORDING,
            subject_id=sound.isrc,
            grantor=message.grantor,
            use=use,
            is_allowed=True,
            territory=territory,
            valid_from=first,
            valid_until=last,
            source=message.source(terms),
            source_digest=message.digest,
            signal_date=message.created,
            title=sound.title,
        )


def _terms(terms: etree._Element) -> tuple[Territory, list[Span]]:
    """Return where and when a deal holds.

    Raises:
        ConsentError: If it cannot be honoured as it stands.
    """
    for element in terms:
        if (reason := _UNHONOURED.get(local_name(element))) is not None:
            raise ConsentError(f"This deal is no consent: {reason}. Ask for another.")
    if first_text(terms, "IsPreOrderDeal") in ("true", "1"):
        raise ConsentError("This deal is no consent: it is for pre-orders only.")
    spans = [_span(period) for period in children(terms, "ValidityPeriod")]
    if not spans:
        raise ConsentError("This deal is no consent: it has no ValidityPeriod.")
    return _territory(terms), spans


def _territory(terms: etree._Element) -> Territory:
    inside = [(c.text or "").strip() for c in children(terms, "TerritoryCode")]
    outside = [(c.text or "").strip() for c in children(terms, "ExcludedTerritoryCode")]
    if inside and not outside:
        return Territory.parse(" ".join(inside))
    if outside and not inside:
        return Territory.parse(" ".join(["worldwide", *(f"-{c}" for c in outside)]))
    raise ConsentError(
        "This deal is no consent: it must name either territories or excluded ones."
    )


def _span(period: etree._Element) -> Span:
    """Return the whole days of a period; a day that is only begun is left out."""
    start, start_at = _moment(period, "Start")
    end, end_at = _moment(period, "End")
    if start is None:
        raise ConsentError("This deal is no consent: its period has no beginning.")
    if start_at not in (None, time(0)):
        start += _DAY
    if end is not None and end_at is not None and end_at < _LAST_MINUTE:
        end -= _DAY
    if end is not None and end < start:
        raise ConsentError(
            f"This deal holds from {start} until {end}, which runs backwards."
        )
    return start, end


def _moment(period: etree._Element, name: str) -> tuple[date | None, time | None]:
    """Return the day of a period's start or end, and the hour if one is given."""
    day, moment = (
        first_text(period, f"{name}Date"),
        first_text(period, f"{name}DateTime"),
    )
    try:
        if moment is not None:
            found = datetime.fromisoformat(moment)
            return found.date(), found.time()
        return (None if day is None else date.fromisoformat(day)), None
    except ValueError as error:
        raise ConsentError(f"'{moment or day}' is no date. Correct it.") from error
