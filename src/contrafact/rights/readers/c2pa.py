"""Content credentials in audio files: assertions on training and data mining.

Reads `cawg.training-mining` (CAWG 1.0 and 1.1) and its forerunner
`c2pa.training-mining` from WAV, FLAC, MP3 and M4A. What is reserved counts for
both rights, whoever signed and however well: a doubtful reservation is one.
What is allowed counts for the master only, and only if the signature leads to
a certificate that the user trusts; anybody can sign a file.

Signing a file again keeps what was said before as the parent of the new
credentials. What a parent reserved stays reserved; what it allowed does not count.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

from contrafact.core.errors import RightsFileError
from contrafact.rights.consent import Consent, Right, SubjectKind, Use
from contrafact.rights.readers._problems import ProblemLog

__all__ = ["ENTRIES", "read_c2pa"]

ENTRIES = {
    "ai_generative_training": Use.TRAIN_GENERATIVE,
    "ai_training": Use.TRAIN_NON_GENERATIVE,
    "data_mining": Use.TEXT_AND_DATA_MINING,
    "ai_inference": Use.REFERENCE_CONDITIONING,
}
"""The entries of the assertion, after `cawg.` or `c2pa.`."""

_LABELS = ("cawg.training-mining", "c2pa.training-mining")
_VALUES = ("allowed", "notAllowed", "constrained")
_TRUSTED = "Trusted"
_OLDER = "superseded"


@dataclass(frozen=True, slots=True)
class _Signed:
    """Who signed, when, and how far that can be believed."""

    name: str
    on: date | None
    state: str


def read_c2pa(
    path: Path, problems: ProblemLog, *, digest: str, trust: Path | None = None
) -> Iterator[Consent]:
    """Yield the consents that a file's content credentials declare.

    Args:
        path: An audio file.
        problems: Told of what cannot be believed or understood.
        digest: SHA-256 of the file, which is what the consents are about.
        trust: Certificates of those who may allow, in PEM.

    Raises:
        RightsFileError: If the file cannot be read, or has no credentials.
    """
    store = _store(path, trust)
    state = str(store.get("validation_state", "Invalid"))
    found = False
    for number, manifest in enumerate(_history(store)):
        signed = _signed(manifest, state if number == 0 else _OLDER)
        for entries in _said(manifest):
            found = True
            yield from _consents(
                entries, signed, path=path, digest=digest, problems=problems
            )
    if not found:
        problems.note(str(path), "its content credentials say nothing on training.")


def _history(store: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Yield the manifest that counts, then its parent, and so on."""
    manifests, seen = store["manifests"], set[str]()
    label: str | None = store["active_manifest"]
    while label is not None and label in manifests and label not in seen:
        seen.add(label)
        yield manifests[label]
        parents = (
            i.get("active_manifest")
            for i in manifests[label].get("ingredients", ())
            if i.get("relationship") == "parentOf"
        )
        label = next(parents, None)


def _said(manifest: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Yield the entries of each assertion on training."""
    for assertion in manifest.get("assertions", ()):
        if str(assertion.get("label", "")).split("__")[0] in _LABELS:
            data = assertion.get("data")
            entries = data.get("entries") if isinstance(data, dict) else None
            yield entries if isinstance(entries, dict) else {}


def _store(path: Path, trust: Path | None) -> dict[str, Any]:
    # Imported here: it loads a large library, which most imports do not need.
    import c2pa

    # A file may name a manifest elsewhere; nothing is fetched for it.
    checks = {"verify_trust": True, "remote_manifest_fetch": False, "ocsp_fetch": False}
    settings: dict[str, Any] = {"verify": checks}
    if trust is not None:
        settings["trust"] = {"trust_anchors": _read(trust)}
    try:
        with path.open("rb") as file:
            mime = _mime(path)
            context = c2pa.Context(c2pa.Settings.from_dict(settings))
            with c2pa.Reader(mime, file, context=context) as reader:
                store: dict[str, Any] = json.loads(reader.json())
        return store
    except OSError as error:
        raise RightsFileError(f"Cannot read {path}: {error.strerror}.") from error
    except c2pa.C2paError as error:
        reason = str(error).splitlines()[0]
        raise RightsFileError(
            f"{path} has no content credentials that can be read: {reason}."
        ) from error


def _mime(path: Path) -> str:
    suffixes = {
        ".wav": "audio/wav",
        ".flac": "audio/flac",
        ".mp3": "audio/mpeg",
        ".m4a": "audio/mp4",
    }
    return suffixes[path.suffix.lower()]


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError) as error:
        raise RightsFileError(f"Cannot read the certificates in {path}.") from error


def _signed(manifest: Mapping[str, Any], state: str) -> _Signed:
    info = manifest.get("signature_info") or {}
    name = str(info.get("common_name") or info.get("issuer") or "")
    try:
        on = datetime.fromisoformat(str(info["time"])).date()
    except (KeyError, ValueError):
        on = None
    return _Signed(name, on, state)


def _consents(
    entries: Mapping[str, Any],
    signed: _Signed,
    *,
    path: Path,
    digest: str,
    problems: ProblemLog,
) -> Iterator[Consent]:
    for name, entry in entries.items():
        use = ENTRIES.get(name.partition(".")[2])
        value = entry.get("use") if isinstance(entry, dict) else None
        if use is None or name.partition(".")[0] not in ("cawg", "c2pa"):
            problems.note(str(path), f"the entry '{name}' is not known; left out.")
            continue
        if value not in _VALUES:
            text = f"'{name}' is '{value}', which is not known; taken as reserved."
            problems.note(str(path), text)
        if value == "allowed" and signed.state == _OLDER:
            continue
        if value == "allowed" and signed.state != _TRUSTED:
            text = (
                f"'{name}' is allowed by '{signed.name}', whose signature is "
                f"{signed.state.lower()} but not trusted; left out. Give their "
                "certificate with --trust."
            )
            problems.note(str(path), text)
            continue
        # `constrained` without terms that were agreed is not allowed (CAWG 1.1).
        is_allowed = value == "allowed"
        for right in (Right.MASTER,) if is_allowed else tuple(Right):
            yield Consent(
                right=right,
                subject_kind=SubjectKind.RECORDING,
                subject_id=digest,
                grantor=signed.name,
                use=use,
                is_allowed=is_allowed,
                source=f"{path.name}, {name}",
                source_digest=digest,
                signal_date=signed.on,
            )
