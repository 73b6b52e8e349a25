"""Content credentials beside a file whose format takes none inside.

`song.opus.credentials.json` is an in-toto statement in a signed envelope
(DSSE), with the certificates of its signer; `openssl` can check it. It names
the file by the digest of its bytes, so it is worth as much as embedded
credentials as long as it stays beside the file.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cryptography import x509

from contrafact.audit._certificates import public_key_of, read_chain, vouched_by
from contrafact.audit.credentials import SOURCE_TYPE, Credentials, OutputClaim
from contrafact.audit.entries import canonical, format_time
from contrafact.audit.marking_keys import MarkingKey
from contrafact.audit.statements import (
    PAYLOAD_TYPE,
    in_toto_statement,
    pre_authentication_encoding,
    seal,
)
from contrafact.core.errors import SigningKeyError
from contrafact.core.units import digest_of

__all__ = ["OUTPUT_TYPE", "read_sidecar", "seal_sidecar", "sidecar_path"]

OUTPUT_TYPE = "urn:contrafact:predicate:output:1"


def sidecar_path(path: Path) -> Path:
    """Return where the credentials of a file lie that has them beside it."""
    return path.with_name(f"{path.name}.credentials.json")


def seal_sidecar(name: str, data: bytes, claim: OutputClaim, key: MarkingKey) -> bytes:
    """Return signed credentials of a file.

    Args:
        name: Of the file, without folders.
        data: The file.
        claim: What to say.
        key: Who says it.
    """
    statement = in_toto_statement(
        [{"name": name, "digest": {"sha256": digest_of(data)}}],
        OUTPUT_TYPE,
        predicate={
            "digital_source_type": SOURCE_TYPE,
            "output": claim.to_json(),
            "time": format_time(datetime.now(UTC)),
        },
    )
    envelope = seal(statement, key.signer)
    return canonical({**envelope, "certificates": key.chain.decode()}) + b"\n"


def read_sidecar(
    sidecar: bytes, data: bytes, roots: Sequence[x509.Certificate]
) -> Credentials:
    """Return what credentials beside a file declare, and whether they hold.

    Args:
        sidecar: The credentials.
        data: The file.
        roots: Certificates of those who are trusted.
    """
    try:
        envelope = json.loads(sidecar)
        payload = base64.b64decode(envelope["payload"], validate=True)
        chain = read_chain(envelope["certificates"].encode())
        statement = json.loads(payload)
        predicate = statement["predicate"]
        digests = [one["digest"]["sha256"] for one in statement["subject"]]
        is_signed = _is_signed(envelope, payload, chain[0])
    except (ValueError, KeyError, TypeError, AttributeError, SigningKeyError):
        return Credentials(
            state="tampered", reason="The sidecar is damaged.", place="sidecar"
        )
    if not is_signed:
        state, reason = "tampered", "The sidecar was altered: its signature is wrong."
    elif digest_of(data) not in digests:
        state, reason = "tampered", "The file was altered: its digest is another."
    elif vouched_by(chain, list(roots), on=datetime.now(UTC)):
        state, reason = "valid", "Whole, and signed by somebody who is trusted here."
    else:
        state, reason = "untrusted", "Whole, but anybody may have signed it."
    return _credentials(predicate, chain[0], state=state, reason=reason)


def _is_signed(
    envelope: dict[str, Any], payload: bytes, certificate: x509.Certificate
) -> bool:
    message = pre_authentication_encoding(payload)
    key = public_key_of(certificate)
    signatures = [base64.b64decode(s["sig"]) for s in envelope["signatures"]]
    is_ours = envelope["payloadType"] == PAYLOAD_TYPE
    return is_ours and any(key.verify(message, s) for s in signatures)


def _credentials(
    predicate: dict[str, Any], certificate: x509.Certificate, **verdict: Any
) -> Credentials:
    names = certificate.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
    claim = predicate.get("output")
    kind = predicate.get("digital_source_type")
    return Credentials(
        place="sidecar",
        claim=claim if isinstance(claim, dict) else None,
        source_types=(str(kind),) if kind else (),
        signer=str(names[0].value) if names else None,
        time=str(predicate.get("time")) if predicate.get("time") else None,
        n_manifests=1,
        **verdict,
    )
