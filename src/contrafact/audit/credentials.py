"""Content credentials (C2PA) in generated audio: signed into it, and read back.

A marked file says that a trained model made it, which model, release and
corpus, and which attribution explains it. What is not known is listed as such.
Nothing is fetched: there is no time stamp authority, so the time in it is the
signer's own word.

The samples, the tags and the assertion are determined by their inputs. The
signed bytes are not: ECDSA signatures and manifest identifiers are random.

References:
    C2PA Technical Specification 2.2; IPTC digital source types.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from contrafact import __version__
from contrafact.audit.marking_keys import MarkingKey
from contrafact.core.errors import CredentialsError

if TYPE_CHECKING:
    import c2pa

__all__ = [
    "EMBEDDED",
    "LABEL",
    "SOURCE_TYPE",
    "Credentials",
    "OutputClaim",
    "State",
    "read_embedded",
    "sign_audio",
]

LABEL = "contrafact.output"
"""Of the assertion that names model, release, corpus and attribution."""
SOURCE_TYPE = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
EMBEDDED = {
    "WAV": "audio/wav",
    "FLAC": "audio/flac",
    "MP3": "audio/mpeg",
    "MP4": "audio/mp4",
}
"""Kinds of file that take credentials inside, and their media types."""

State = Literal["valid", "untrusted", "tampered", "none"]
_ABOUT_TRUST = ("signingCredential.", "timeStamp.")
Json = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputClaim:
    """What a marked file says about itself; None where it is not known.

    Attributes:
        output: Id in the register of outputs.
        samples_digest: SHA-256 of its samples as 16-bit numbers.
        model: Name of the model that made it; `model_digest` is that of its
            weights and configuration.
        release: Id of the model release.
        corpus_root: Merkle root of the manifest that the release was trained on.
        attribution: Id of the attribution that explains it;
            `attribution_digest` is the SHA-256 of its receipt.
        stamp: What outputs of unlicensed models are stamped with, for good.
    """

    output: str
    samples_digest: str
    model: str | None = None
    model_digest: str | None = None
    release: str | None = None
    corpus_root: str | None = None
    attribution: str | None = None
    attribution_digest: str | None = None
    stamp: str | None = None

    def to_json(self) -> Json:
        """Return what is known, and the names of what is not."""
        fields = asdict(self)
        known = {name: value for name, value in fields.items() if value is not None}
        missing = sorted(fields.keys() - known.keys() - {"stamp"})
        return {"format": 1, **known, "not_recorded": missing}


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """What a file declares, and whether that can be believed.

    Attributes:
        state: `valid` if whole and signed by somebody trusted; `untrusted` if
            whole, but anybody may have signed it; `tampered` if file or
            credentials were altered since; `none` if there are none.
        reason: Why, in words.
        place: `embedded` or `sidecar`; None if there are none.
        claim: The assertion as `OutputClaim.to_json` wrote it, or None.
        source_types: Digital source types that it declares, newest first.
        signer: Common name of the certificate.
        time: When it was signed, by the signer's own word.
        n_manifests: How often it was marked.
    """

    state: State
    reason: str
    place: Literal["embedded", "sidecar"] | None = None
    claim: Json | None = None
    source_types: tuple[str, ...] = ()
    signer: str | None = None
    time: str | None = None
    n_manifests: int = 0

    @property
    def is_ai(self) -> bool:
        """Whether it declares to be made by a trained model."""
        return SOURCE_TYPE in self.source_types


def sign_audio(data: bytes, mime: str, claim: OutputClaim, key: MarkingKey) -> bytes:
    """Return an audio file with content credentials in it.

    A file that has credentials keeps them; the new ones name them as what they
    were made from.

    Args:
        data: The file.
        mime: Its media type, one of `EMBEDDED`.
        claim: What to say.
        key: Who says it.

    Raises:
        CredentialsError: If it was altered since it was last marked, or its
            format cannot be written.
    """
    import c2pa

    before = read_embedded(data, mime, [])
    if before.state == "tampered":
        raise CredentialsError(
            f"The file was altered since it was marked: {before.reason} Signing it "
            "would hide that. Take the file as it was, or remove its credentials."
        )
    builder = c2pa.Builder(_definition(claim, before), context=_context([]))
    if before.n_manifests:
        builder.set_intent(c2pa.C2paBuilderIntent.EDIT)
    signed = io.BytesIO()
    try:
        builder.sign(_c2pa_signer(key), mime, io.BytesIO(data), signed)
    except c2pa.C2paError as error:
        raise CredentialsError(
            f"Content credentials cannot be put into this {mime}: {_line(error)}."
        ) from error
    return signed.getvalue()


def _definition(claim: OutputClaim, before: Credentials) -> Json:
    agent = {"name": "contrafact", "version": __version__}
    # When it was opened is said by the library, which names what was opened.
    action = "c2pa.edited.metadata" if before.n_manifests else "c2pa.created"
    actions = [
        {
            "action": action,
            "digitalSourceType": SOURCE_TYPE,
            "softwareAgent": agent,
            "when": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        }
    ]
    return {
        "claim_generator_info": [agent],
        "assertions": [
            {"label": "c2pa.actions.v2", "data": {"actions": actions}},
            {"label": LABEL, "data": claim.to_json()},
        ],
    }


def _c2pa_signer(key: MarkingKey) -> c2pa.Signer:
    import c2pa

    is_edwards = key.signer.public_key.algorithm == "ed25519"
    kinds = c2pa.C2paSigningAlg
    kind = kinds.ED25519 if is_edwards else kinds.ES256

    def sign(data: bytes) -> bytes:
        return key.signer.sign(data) if is_edwards else _plain(key, data)

    try:
        return c2pa.Signer.from_callback(sign, kind, key.chain.decode())
    except c2pa.C2paError as error:
        raise CredentialsError(
            f"The certificates cannot sign content credentials: {_line(error)}."
        ) from error


def _plain(key: MarkingKey, data: bytes) -> bytes:
    """Return an ES256 signature as two numbers of 32 bytes (RFC 9053)."""
    numbers = decode_dss_signature(key.signer.sign(data))
    return b"".join(number.to_bytes(32, "big") for number in numbers)


def _context(roots: Sequence[x509.Certificate]) -> c2pa.Context:
    import c2pa

    settings: Json = {
        # A file may name a manifest elsewhere; nothing is fetched for it.
        "verify": {
            "verify_trust": True,
            "verify_after_sign": False,
            "remote_manifest_fetch": False,
            "ocsp_fetch": False,
        }
    }
    if roots:
        pem = (root.public_bytes(serialization.Encoding.PEM) for root in roots)
        settings["trust"] = {"trust_anchors": b"".join(pem).decode()}
    return c2pa.Context(c2pa.Settings.from_dict(settings))


def read_embedded(
    data: bytes, mime: str, roots: Sequence[x509.Certificate]
) -> Credentials:
    """Return what an audio file declares about itself.

    Args:
        data: The file.
        mime: Its media type, one of `EMBEDDED`.
        roots: Certificates of those who are trusted.
    """
    import c2pa

    try:
        with c2pa.Reader(mime, io.BytesIO(data), context=_context(roots)) as reader:
            store: Json = json.loads(reader.json())
    except c2pa.C2paError.ManifestNotFound:
        return Credentials(state="none", reason="It has no content credentials.")
    except c2pa.C2paError as error:
        return Credentials(
            state="tampered",
            reason=f"File or credentials are damaged: {_line(error)}.",
            place="embedded",
        )
    return _read(store)


def _read(store: Mapping[str, Any]) -> Credentials:
    manifest = store["manifests"][store["active_manifest"]]
    state, reason = _state(store)
    info = manifest.get("signature_info") or {}
    actions = list(_actions(store))
    whens = [a["when"] for a in actions if a.get("when")]
    types = (a["digitalSourceType"] for a in actions if a.get("digitalSourceType"))
    found = (
        a.get("data") for a in manifest.get("assertions", ()) if a["label"] == LABEL
    )
    claim = next(found, None)
    return Credentials(
        state=state,
        reason=reason,
        place="embedded",
        claim=claim if isinstance(claim, dict) else None,
        source_types=tuple(dict.fromkeys(types)),
        signer=info.get("common_name") or info.get("issuer"),
        time=info.get("time") or next(iter(whens), None),
        n_manifests=len(store["manifests"]),
    )


def _actions(store: Mapping[str, Any]) -> list[Json]:
    """Return the actions of all manifests, those of the newest first."""
    newest = store["active_manifest"]
    ordered = sorted(store["manifests"].items(), key=lambda item: item[0] != newest)
    return [
        action
        for _, manifest in ordered
        for assertion in manifest.get("assertions", ())
        if str(assertion.get("label", "")).startswith("c2pa.actions")
        for action in (assertion.get("data") or {}).get("actions", ())
    ]


def _state(store: Mapping[str, Any]) -> tuple[State, str]:
    said = store.get("validation_state")
    codes = [one["code"] for one in store.get("validation_status") or ()]
    altered = [code for code in codes if not code.startswith(_ABOUT_TRUST)]
    if said == "Trusted" and not codes:
        return "valid", "Whole, and signed by somebody who is trusted here."
    if said not in ("Valid", "Trusted") and (altered or not codes):
        what = ", ".join(sorted(set(altered))) or "the signature does not hold"
        return "tampered", f"File or credentials were altered: {what}."
    what = ", ".join(sorted(set(codes)))
    return "untrusted", f"Whole, but anybody may have signed it: {what}."


def _line(error: Exception) -> str:
    return (str(error).splitlines() or [""])[0].rstrip(".")
