from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from contrafact.catalog import digest_file
from contrafact.core.entities import Problem
from contrafact.core.errors import RightsFileError
from contrafact.rights import Right, SubjectKind, Use

Read = Callable[..., tuple[list[Any], list[Problem]]]
MINING = {Use.TEXT_AND_DATA_MINING, Use.TRAIN_GENERATIVE, Use.TRAIN_NON_GENERATIVE}
ISCC = "ISCC:KACYPXW445FTYNJ3CYSXHAFJMA2HUWULUNRFE3BLHRSCXYH2M5AEGQY"


def _write(path: Path, document: Any) -> Path:
    path.parent.mkdir(exist_ok=True, parents=True)
    path.write_text(json.dumps(document))
    return path


def test_a_reserved_place_is_below_the_site(tmp_path: Path, read: Read) -> None:
    """`.well-known` lies in the root of what it is about."""
    path = _write(
        tmp_path / "site" / ".well-known" / "tdmrep.json",
        [{"location": "/music/*", "tdm-reservation": 1, "tdm-policy": "https://a.b"}],
    )
    records, problems = read(path)
    assert problems == []
    assert {c.use for c in records} == MINING
    assert {c.right for c in records} == set(Right)
    assert {(c.subject_kind, c.is_allowed) for c in records} == {
        (SubjectKind.LOCATION, False)
    }
    assert {c.subject_id for c in records} == {f"{tmp_path}/site::/music/*"}


@pytest.mark.parametrize(
    "entry",
    [
        {"location": "/", "tdm-reservation": 0},
        {"iscc": ISCC, "all": "true", "ai-use": "true"},
        {"iscc": ISCC, "TDM": "usagePermission"},
        {"iscc": ISCC, "tdm-reservation": 0},
    ],
)
def test_what_is_not_reserved_is_not_allowed(
    tmp_path: Path, read: Read, entry: Any
) -> None:
    """It is a note, and no record."""
    records, [note] = read(_write(tmp_path / "t.json", entry))
    assert records == []
    assert "no permission" in note.message


@pytest.mark.parametrize(
    ("said", "uses"),
    [
        ({"all": "false"}, MINING),
        ({"all": "true", "train-genai": "false"}, {Use.TRAIN_GENERATIVE}),
        (
            {"train-ai": "false"},
            {Use.TRAIN_NON_GENERATIVE, Use.TRAIN_GENERATIVE},
        ),
        ({"all": "false", "train-ai": "true"}, {Use.TEXT_AND_DATA_MINING}),
        ({"ai-use": "false"}, {Use.REFERENCE_CONDITIONING}),
        (
            {"AiTraining": "usageReservation", "genAiTraining": "usagePermission"},
            {Use.TRAIN_NON_GENERATIVE},
        ),
        ({"tdm-reservation": 1}, MINING),
    ],
)
def test_declarations_inherit_as_they_say(
    tmp_path: Path, read: Read, said: dict[str, Any], uses: set[Use]
) -> None:
    """Generative training from training, training from all."""
    records, problems = read(_write(tmp_path / "t.json", {"iscc": ISCC} | said))
    assert problems == []
    assert {c.use for c in records} == uses
    assert {c.subject_id for c in records} == {ISCC}


def test_a_declaration_beside_a_file_is_about_it(tmp_path: Path, read: Read) -> None:
    """Told by its name."""
    (tmp_path / "song.wav").write_bytes(b"some bytes")
    path = _write(tmp_path / "song.wav.tdm.json", {"iscc": ISCC, "all": "false"})
    records, _ = read(path)
    assert {c.subject_id for c in records} == {digest_file(tmp_path / "song.wav")}


@pytest.mark.parametrize("entry", [3, "text", {"all": "false"}, {"location": 7}, None])
def test_entries_that_are_none_are_reported(
    tmp_path: Path, read: Read, entry: Any
) -> None:
    """By their number; the others are read."""
    good = {"iscc": ISCC, "train-genai": "false"}
    records, [problem] = read(_write(tmp_path / "t.json", [good, entry]))
    assert len(records) == 2
    assert problem.source.endswith("t.json, entry 2")
    assert problem.is_fatal


@pytest.mark.parametrize("data", [b"", b"{", b"\xff", b"[" * 100_000])
def test_what_is_no_json_is_refused(tmp_path: Path, read: Read, data: bytes) -> None:
    """Nesting without end is no way to crash it."""
    (tmp_path / "t.json").write_bytes(data)
    with pytest.raises(RightsFileError, match="is no JSON"):
        read(tmp_path / "t.json")


ROBOTS = """
# A comment
User-agent: Googlebot
Disallow: /not-this

User-agent: GPTBot
User-agent: CCBot
Disallow: /masters/   # but this
Disallow:

User-agent: *
Disallow: *.wav$
Allow: /
Content-Usage: /stems/ train-ai=n, search=y
"""


def test_robots_reserve_for_those_who_gather(tmp_path: Path, read: Read) -> None:
    """Rules for everybody and for crawlers of training data count."""
    (tmp_path / "robots.txt").write_text(ROBOTS)
    records, problems = read(tmp_path / "robots.txt")
    assert problems == []
    found = {(c.subject_id.partition("::")[2], c.use) for c in records}
    training = MINING - {Use.TEXT_AND_DATA_MINING}
    assert found == {
        *(("/masters/", use) for use in MINING),
        *(("*.wav$", use) for use in MINING),
        *(("/stems/", use) for use in training),
    }
    assert {c.source for c in records} >= {"robots.txt:8", "robots.txt:12"}
    assert not any(c.is_allowed for c in records)


def test_a_text_that_reserves_nothing_is_a_note(tmp_path: Path, read: Read) -> None:
    """And no permission."""
    (tmp_path / "ai.txt").write_bytes(b"User-Agent: *\nAllow: /\n\xff\xfe")
    records, [note] = read(tmp_path / "ai.txt")
    assert (records, note.is_fatal) == ([], False)


def test_other_files_are_refused(tmp_path: Path, read: Read) -> None:
    """The message lists what is read."""
    (tmp_path / "a.doc").write_bytes(b"")
    with pytest.raises(RightsFileError, match="is none of"):
        read(tmp_path / "a.doc")
    with pytest.raises(RightsFileError, match="Cannot read"):
        read(tmp_path / "absent.csv")
