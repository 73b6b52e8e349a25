"""Release notifications, written here as small as they can be."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from contrafact.core.entities import Problem
from contrafact.core.errors import RightsFileError
from contrafact.rights import AiDisclosure, Consent, Right, Use

Read = Callable[..., tuple[list[Any], list[Problem]]]
Write = Callable[..., Path]

PERIOD = "<ValidityPeriod><StartDate>2025-01-01</StartDate></ValidityPeriod>"
TERMS = f"<TerritoryCode>Worldwide</TerritoryCode>{PERIOD}"
SOUND = """
    <SoundRecording>
      <ResourceReference>{reference}</ResourceReference>
      <SoundRecordingEdition><ResourceId><ISRC>{isrc}</ISRC></ResourceId>
      </SoundRecordingEdition>
      <DisplayTitleText>{title}</DisplayTitleText>
      {more}
    </SoundRecording>"""
MESSAGE = """<?xml version="1.0" encoding="UTF-8"?>
<ern:NewReleaseMessage xmlns:ern="{namespace}" AvsVersionId="6"
    LanguageAndScriptCode="en">
  <MessageHeader>
    <MessageId>M1</MessageId>
    <MessageSender>
      <PartyName><FullName>Some Label</FullName></PartyName>
    </MessageSender>
    <MessageCreatedDateTime>2024-12-05T10:00:00Z</MessageCreatedDateTime>
  </MessageHeader>
  <ResourceList>{sounds}</ResourceList>
  <ReleaseList>
    <Release>
      <ReleaseReference>R0</ReleaseReference>
      <ResourceGroup><ResourceGroup>
        <ResourceGroupContentItem>
          <ReleaseResourceReference>A1</ReleaseResourceReference>
        </ResourceGroupContentItem>
        <ResourceGroupContentItem>
          <ReleaseResourceReference>A2</ReleaseResourceReference>
        </ResourceGroupContentItem>
      </ResourceGroup></ResourceGroup>
    </Release>
    <TrackRelease>
      <ReleaseReference>R1</ReleaseReference>
      <ReleaseResourceReference>A1</ReleaseResourceReference>
    </TrackRelease>
  </ReleaseList>
  <DealList>{deals}</DealList>
</ern:NewReleaseMessage>
"""


def sound(reference: str, isrc: str, more: str = "") -> str:
    """Return a sound recording of the message."""
    return SOUND.format(
        reference=reference, isrc=isrc, title=f"Title {reference}", more=more
    )


def deal(release: str, use: str, terms: str = TERMS) -> str:
    """Return a deal for a release."""
    return (
        f"<ReleaseDeal><DealReleaseReference>{release}</DealReleaseReference>"
        f"<Deal><DealTerms>{terms}<UseType>OnDemandStream</UseType>"
        f"<UseType>{use}</UseType></DealTerms></Deal></ReleaseDeal>"
    )


SOUNDS = sound("A1", "USRC17607839") + sound("A2", "USRC17607840")


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Return a function that writes a message."""

    def make(deals: str, *, sounds: str = SOUNDS, version: str = "43") -> Path:
        text = MESSAGE.format(
            namespace=f"http://ddex.net/xml/ern/{version}", sounds=sounds, deals=deals
        )
        (tmp_path / "m.xml").write_text(text, encoding="utf-8")
        return tmp_path / "m.xml"

    return make


@pytest.mark.parametrize("version", ["43", "432"])
@pytest.mark.parametrize(
    ("use_type", "use"),
    [
        ("UseForTrainingGenerativeAI", Use.TRAIN_GENERATIVE),
        ("UseForTrainingNonGenerativeAI", Use.TRAIN_NON_GENERATIVE),
        ("UseForDataMining", Use.TEXT_AND_DATA_MINING),
        ("UseForIdentification", Use.IDENTIFICATION),
    ],
)
def test_a_deal_is_a_permission(
    write: Write, read: Read, version: str, use_type: str, use: Use
) -> None:
    """Of the sender, for the master, of all recordings of the release."""
    records, problems = read(write(deal("R0", use_type), version=version))
    assert problems == []
    assert [c.subject_id for c in records] == ["USRC17607839", "USRC17607840"]
    first = records[0]
    assert (first.right, first.use, first.is_allowed) == (Right.MASTER, use, True)
    assert (first.grantor, first.signal_date) == ("Some Label", date(2024, 12, 5))
    assert (first.valid_from, first.valid_until) == (date(2025, 1, 1), None)
    assert first.title == "Title A1"
    assert first.source.startswith("m.xml:")


def test_a_track_release_is_its_recording(write: Write, read: Read) -> None:
    """A deal for one does not reach the others."""
    records, _ = read(write(deal("R1", "UseForTrainingGenerativeAI")))
    assert [c.subject_id for c in records] == ["USRC17607839"]


def test_other_uses_are_no_consent(write: Write, read: Read) -> None:
    """A streaming deal allows no training, and is no problem."""
    assert read(write(deal("R0", "PermanentDownload"))) == ([], [])


@pytest.mark.parametrize(
    ("terms", "territory"),
    [
        ("<TerritoryCode>DE</TerritoryCode><TerritoryCode>FR</TerritoryCode>", "DE FR"),
        ("<ExcludedTerritoryCode>CN</ExcludedTerritoryCode>", "worldwide -CN"),
    ],
)
def test_territories_are_kept(
    write: Write, read: Read, terms: str, territory: str
) -> None:
    """Named ones, and all but the excluded ones."""
    path = write(deal("R1", "UseForDataMining", terms + PERIOD))
    [consent], _ = read(path)
    assert str(consent.territory) == territory


@pytest.mark.parametrize(
    ("period", "first", "last"),
    [
        ("<StartDate>2025-01-01</StartDate><EndDate>2025-06-30</EndDate>", 1, 30),
        (
            "<StartDateTime>2025-01-01T00:00:00</StartDateTime>"
            "<EndDateTime>2025-06-30T23:59:59</EndDateTime>",
            1,
            30,
        ),
        (
            "<StartDateTime>2025-01-01T09:00:00Z</StartDateTime>"
            "<EndDateTime>2025-06-30T00:00:00+01:00</EndDateTime>",
            2,
            29,
        ),
    ],
)
def test_only_whole_days_count(
    write: Write, read: Read, period: str, first: int, last: int
) -> None:
    """A day that is allowed in part is not allowed."""
    terms = "<TerritoryCode>Worldwide</TerritoryCode>"
    terms += f"<ValidityPeriod>{period}</ValidityPeriod>"
    [consent], _ = read(write(deal("R1", "UseForDataMining", terms)))
    assert consent.valid_from == date(2025, 1, first)
    assert consent.valid_until == date(2025, 6, last)


@pytest.mark.parametrize(
    ("terms", "said"),
    [
        (PERIOD, "must name either territories or excluded"),
        (
            "<TerritoryCode>DE</TerritoryCode>"
            f"<ExcludedTerritoryCode>FR</ExcludedTerritoryCode>{PERIOD}",
            "must name either",
        ),
        (f"<TerritoryCode>2136</TerritoryCode>{PERIOD}", "no country"),
        ("<TerritoryCode>DE</TerritoryCode>", "no ValidityPeriod"),
        (
            "<TerritoryCode>DE</TerritoryCode><ValidityPeriod/>",
            "period has no beginning",
        ),
        (
            "<TerritoryCode>DE</TerritoryCode><ValidityPeriod><StartDate>2025-02-01"
            "</StartDate><EndDate>2025-01-01</EndDate></ValidityPeriod>",
            "runs backwards",
        ),
        (
            "<TerritoryCode>DE</TerritoryCode><ValidityPeriod><StartDate>soon"
            "</StartDate></ValidityPeriod>",
            "no date",
        ),
        (f"{TERMS}<NumberOfUsages>3</NumberOfUsages>", "a number of uses"),
        (f"{TERMS}<DistributionChannel/>", "distribution channels"),
        (f"{TERMS}<IsPreOrderDeal>true</IsPreOrderDeal>", "pre-orders"),
    ],
)
def test_terms_that_cannot_be_kept_are_no_permission(
    write: Write, read: Read, terms: str, said: str
) -> None:
    """The deal is reported by its line, and nothing is allowed by it."""
    path = write(deal("R1", "UseForTrainingGenerativeAI", terms))
    records, [problem] = read(path)
    assert records == []
    assert problem.source.startswith(f"{path}:")
    assert said in problem.message
    assert problem.is_fatal


def test_what_is_machine_made_is_read(write: Write, read: Read) -> None:
    """Of the recording, and of each contributor."""
    more = """
      <Contributor><ContributorPartyReference>P1</ContributorPartyReference>
        <Role>Lyricist</Role><AiContribution>Partly</AiContribution></Contributor>
      <Contributor><SpecialContributor>GenerativeAI</SpecialContributor>
        <AiContribution>All</AiContribution></Contributor>
      <ContainsAI>Partly</ContainsAI>"""
    path = write("", sounds=sound("A1", "USRC17607839", more), version="432")
    [found], problems = read(path)
    assert problems == []
    assert isinstance(found, AiDisclosure)
    assert (found.subject_id, found.contains_ai) == ("USRC17607839", "Partly")
    assert found.contributions == (
        ("P1, Lyricist", "Partly"),
        ("GenerativeAI, no role", "All"),
    )


def test_a_disclosure_that_is_none_is_reported(write: Write, read: Read) -> None:
    """Only All, Partly and None are known."""
    wrong = sound("A1", "USRC17607839", "<ContainsAI>Somewhat</ContainsAI>")
    records, [problem] = read(write("", sounds=wrong))
    assert records == []
    assert "'Somewhat' is none of" in problem.message


def test_an_isrc_on_two_recordings_is_told(write: Write, read: Read) -> None:
    """The message itself contradicts; the import decides by the titles."""
    twice = sound("A1", "USRC17607839") + sound("A2", "USRC17607839")
    _, problems = read(write(deal("R0", "UseForDataMining"), sounds=twice))
    assert ["is on both A1 and A2" in p.message for p in problems] == [True]


def test_a_recording_without_an_isrc_is_reported(write: Write, read: Read) -> None:
    """It cannot be named, so nothing about it can be taken."""
    bad = sound("A1", "nonsense") + sound("A2", "USRC17607840")
    records, [problem] = read(write(deal("R0", "UseForDataMining"), sounds=bad))
    assert [c.subject_id for c in records] == ["USRC17607840"]
    assert "no ISRC" in problem.message


@pytest.mark.parametrize("version", ["383", "411", "44"])
def test_other_versions_are_refused(write: Write, read: Read, version: str) -> None:
    """By their namespace."""
    with pytest.raises(RightsFileError, match=r"ERN 4\.3 or 4\.3\.2"):
        read(write("", version=version))


BOMB = "".join(f'<!ENTITY {chr(98 + i)} "{f"&{chr(97 + i)};" * 10}">' for i in range(9))


@pytest.mark.parametrize(
    "prologue",
    [
        f'<!DOCTYPE x [<!ENTITY a "lol">{BOMB}]>',
        '<!DOCTYPE x [<!ENTITY j SYSTEM "file://{secret}">]>',
        '<!DOCTYPE x SYSTEM "file://{secret}">',
        '<!DOCTYPE x [<!ENTITY % p SYSTEM "file://{secret}"> %p;]>',
    ],
    ids=["bomb", "external entity", "external type", "parameter entity"],
)
def test_entities_are_not_followed(
    tmp_path: Path, write: Write, read: Read, prologue: str
) -> None:
    """Bombs do not go off, and no other file is read into a title."""
    secret = tmp_path / "secret"
    secret.write_text("<!ENTITY j 'opened'>")
    path = write(deal("R0", "UseForDataMining"))
    text = path.read_text().replace("Title A1", "&j;")
    head, _, body = text.partition("\n")
    path.write_text(f"{head}\n{prologue.format(secret=secret)}\n{body}")
    with pytest.raises(RightsFileError) as caught:
        read(path)
    assert "opened" not in str(caught.value)


@pytest.mark.parametrize("data", [b"", b"<a", b"\xff\xfe\0", b"<a>" * 100_000])
def test_what_is_no_xml_is_refused(tmp_path: Path, read: Read, data: bytes) -> None:
    """In one line; nesting without end is no way to crash it."""
    (tmp_path / "m.xml").write_bytes(data)
    with pytest.raises(RightsFileError, match="is no XML") as caught:
        read(tmp_path / "m.xml")
    assert "\n" not in str(caught.value)


def test_a_huge_message_is_refused_unread(
    write: Write, read: Read, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the size of its file."""
    from contrafact.rights.readers import _xml

    monkeypatch.setattr(_xml, "_N_BYTES", 100)
    with pytest.raises(RightsFileError, match="Split it"):
        read(write(""))


XSD = """<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema"
    targetNamespace="http://ddex.net/xml/ern/43">
  <xs:element name="NewReleaseMessage"><xs:complexType><xs:sequence>
    <xs:any processContents="skip" maxOccurs="{n}"/>
  </xs:sequence><xs:anyAttribute processContents="skip"/></xs:complexType></xs:element>
</xs:schema>"""


@pytest.mark.parametrize(("n", "is_valid"), [("4", True), ("3", False)])
def test_the_users_schema_is_asked(
    tmp_path: Path, write: Write, read: Read, n: str, is_valid: bool
) -> None:
    """A message that breaks it is reported by its line, and nothing is taken."""
    (tmp_path / "s.xsd").write_text(XSD.format(n=n))
    path = write(deal("R1", "UseForDataMining"))
    records, problems = read(path, schema=tmp_path / "s.xsd")
    assert len(records) == int(is_valid)
    assert all(isinstance(record, Consent) for record in records)
    assert ["against the schema" in p.message for p in problems] == [True] * (
        not is_valid
    )


def test_a_schema_that_is_none_is_an_error(
    tmp_path: Path, write: Write, read: Read
) -> None:
    """Not a message that fits."""
    (tmp_path / "s.xsd").write_text("<a/>")
    with pytest.raises(RightsFileError, match="no usable schema"):
        read(write(""), schema=tmp_path / "s.xsd")
