"""Reservations of text and data mining, by content or by place.

- TDM·AI declarations (JSON) name a file by its ISCC. One that lies beside an
  audio file and is named for it (`song.wav.tdm.json`) is about that file.
- `tdmrep.json` (W3C TDMRep) is about places: files below the folder it lies
  in, or below the parent of `.well-known`.

Only reservations are taken. Saying that nothing is reserved is not a
permission, since it does not come from whoever holds both rights.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from contrafact.catalog.files import digest_file
from contrafact.core.errors import CatalogError, RightsFileError
from contrafact.rights._lookup import location_of
from contrafact.rights.consent import Consent, Right, SubjectKind, Use
from contrafact.rights.readers._problems import ProblemLog

__all__ = ["read_tdm"]

_N_BYTES = 64 << 20
_MINING = (Use.TEXT_AND_DATA_MINING, Use.TRAIN_GENERATIVE, Use.TRAIN_NON_GENERATIVE)
_INFERENCE = (Use.REFERENCE_CONDITIONING,)
# Each key with the next wider one, from which it has its value if it has none.
_WIDER = {"train-genai": "train-ai", "train-ai": "all", "all": None, "ai-use": None}
_OLD_KEYS = {"TDM": "all", "AiTraining": "train-ai", "genAiTraining": "train-genai"}
_USES = {
    "all": (Use.TEXT_AND_DATA_MINING,),
    "train-ai": (Use.TRAIN_NON_GENERATIVE,),
    "train-genai": (Use.TRAIN_GENERATIVE,),
    "ai-use": _INFERENCE,
}
_RESERVED = ("false", "usageReservation", False, "1", 1, True)
_SIDECARS = (".tdm.json", ".tdmai.json")


def read_tdm(path: Path, problems: ProblemLog, *, digest: str) -> Iterator[Consent]:
    """Yield the reservations of a declaration.

    Args:
        path: One declaration, or a list of them, in JSON.
        problems: Told of what is not understood or not taken.
        digest: SHA-256 of the file.

    Raises:
        RightsFileError: If it is no JSON, or holds no declaration.
    """
    document = _json(path)
    entries = document if isinstance(document, list) else [document]
    for number, entry in enumerate(entries, start=1):
        place = f"{path}, entry {number}"
        if not isinstance(entry, dict):
            problems.bad(place, "it is no declaration but a single value. Correct it.")
            continue
        found = _subject(entry, path)
        if found is None:
            text = "it names neither 'location' nor 'iscc'. Add one."
            problems.bad(place, text)
            continue
        uses = _reserved(entry)
        if not uses:
            text = "it reserves nothing, which is no permission; left out."
            problems.note(place, text)
        kind, subject = found
        for use in uses:
            for right in Right:
                yield Consent(
                    right=right,
                    subject_kind=kind,
                    subject_id=subject,
                    grantor="",
                    use=use,
                    is_allowed=False,
                    source=f"{path.name}, entry {number}",
                    source_digest=digest,
                )


def _json(path: Path) -> Any:
    try:
        if path.stat().st_size > _N_BYTES:
            raise RightsFileError(f"{path} is larger than {_N_BYTES} bytes. Split it.")
        return json.loads(path.read_bytes())
    except OSError as error:
        raise RightsFileError(f"Cannot read {path}: {error.strerror}.") from error
    except (ValueError, RecursionError) as error:
        raise RightsFileError(f"{path} is no JSON: {error}.") from error


def _subject(entry: Mapping[str, Any], path: Path) -> tuple[SubjectKind, str] | None:
    location, iscc = entry.get("location"), entry.get("iscc")
    if isinstance(location, str) and location:
        return SubjectKind.LOCATION, location_of(str(_root(path)), location)
    beside = _beside(path)
    if beside is not None:
        return SubjectKind.RECORDING, _digest(beside)
    if isinstance(iscc, str) and iscc:
        return SubjectKind.RECORDING, iscc
    return None


def _root(path: Path) -> Path:
    folder = path.absolute().parent
    return folder.parent if folder.name == ".well-known" else folder


def _beside(path: Path) -> Path | None:
    for suffix in _SIDECARS:
        if path.name.endswith(suffix):
            audio = path.with_name(path.name.removesuffix(suffix))
            return audio if audio.is_file() else None
    return None


def _digest(path: Path) -> str:
    try:
        return str(digest_file(path))
    except CatalogError as error:
        raise RightsFileError(f"Cannot read {path}.") from error


def _reserved(entry: Mapping[str, Any]) -> list[Use]:
    """Return the uses that an entry reserves."""
    reserved: list[Use] = []
    flag = entry.get("tdm-reservation", entry.get("tdm_reservation"))
    if flag in _RESERVED and flag not in ("false", "usageReservation", False):
        reserved += _MINING
    said = {_OLD_KEYS.get(key, key): value for key, value in entry.items()}
    for key, uses in _USES.items():
        if _value(said, key) in ("false", "usageReservation", False):
            reserved += uses
    return list(dict.fromkeys(reserved))


def _value(said: Mapping[str, Any], key: str) -> Any:
    """Return what is said for a key, or for the next wider one."""
    wider: str | None = key
    while wider is not None:
        if wider in said:
            return said[wider]
        wider = _WIDER[wider]
    return None
