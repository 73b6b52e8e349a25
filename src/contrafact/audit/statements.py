"""Signed statements: in-toto in a DSSE envelope, and OpenSSF model signatures.

A statement says something about files by their digests; the envelope says who
says it. `model_signature` is the one kind of statement that the tool
`model-signing` knows, over all files of a folder.

References:
    in-toto attestation framework, Statement v1; DSSE v1.0.0; OpenSSF model
    signing v1.0; Sigstore bundle v0.3.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from contrafact.audit.entries import canonical, format_time, parse_time
from contrafact.audit.keys import KeyRecord, KeyRing, Signer
from contrafact.catalog.files import digest_file
from contrafact.core.errors import ConfigError, SigningKeyError

__all__ = [
    "PAYLOAD_TYPE",
    "RELEASE_TYPE",
    "in_toto_statement",
    "model_signature",
    "open_envelope",
    "pre_authentication_encoding",
    "release_predicate",
    "seal",
    "subjects_of",
    "verify_model_signature",
]

PAYLOAD_TYPE = "application/vnd.in-toto+json"
RELEASE_TYPE = "urn:contrafact:predicate:release:1"
_STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
_MODEL_TYPE = "https://model_signing/signature/v1.0"
_BUNDLE_TYPE = "application/vnd.dev.sigstore.bundle.v0.3+json"
Json = dict[str, Any]


def pre_authentication_encoding(payload: bytes) -> bytes:
    """Return what is signed for a payload of in-toto (DSSE v1.0.0)."""
    kind = PAYLOAD_TYPE.encode()
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


def subjects_of(paths: Iterable[Path], *, root: Path) -> list[Json]:
    """Return files as subjects of a statement: names below `root`, digests.

    Raises:
        CatalogError: If a file cannot be read.
    """
    return [
        {
            "name": path.relative_to(root).as_posix(),
            "digest": {"sha256": digest_file(path)},
        }
        for path in sorted(paths)
    ]


def in_toto_statement(
    subjects: Iterable[Json], kind: str, *, predicate: Mapping[str, Any]
) -> Json:
    """Return a statement about files.

    Args:
        subjects: As `subjects_of` returns them.
        kind: The type of the predicate, a URI.
        predicate: What is said of them.
    """
    return {
        "_type": _STATEMENT_TYPE,
        "subject": list(subjects),
        "predicateType": kind,
        "predicate": dict(predicate),
    }


def release_predicate(  # noqa: PLR0913 - the parts that a release binds
    *,
    release: str,
    corpus: Mapping[str, Any],
    code: Mapping[str, str],
    configuration: Mapping[str, Any],
    seed: int,
    read_log: Mapping[str, Any],
    parent: str | None,
    when: datetime,
) -> Json:
    """Return what a model release binds together, beside its weights.

    Args:
        release: Id of the release.
        corpus: The manifest's header as a mapping, its root among it.
        code: Name and version of what trained it.
        configuration: Settings of the training; fractions as texts.
        seed: Of all random numbers.
        read_log: What `check_read_log` found, the head among it.
        parent: Id of the release it was made from, or None.
        when: When it was made.

    Raises:
        EntryError: If a value has no canonical form.
    """
    predicate = {
        "release": release,
        "corpus": dict(corpus),
        "code": dict(code),
        "configuration": dict(configuration),
        "configuration_digest": hashlib.sha256(canonical(configuration)).hexdigest(),
        "seed": seed,
        "read_log": dict(read_log),
        "parent": parent,
        "time": format_time(when),
    }
    canonical(predicate)
    return predicate


def seal(statement: Mapping[str, Any], signer: Signer) -> Json:
    """Return the statement in a signed envelope (DSSE).

    Raises:
        EntryError: If the statement has no canonical form.
    """
    payload = canonical(statement)
    signature = signer.sign(pre_authentication_encoding(payload))
    return {
        "payload": base64.b64encode(payload).decode(),
        "payloadType": PAYLOAD_TYPE,
        "signatures": [
            {
                "keyid": signer.public_key.id,
                "sig": base64.b64encode(signature).decode(),
            }
        ],
    }


def open_envelope(envelope: Mapping[str, Any], keys: KeyRing) -> Json:
    """Return the statement in an envelope that a trusted key signed.

    Where the predicate states a `time`, keys revoked by then do not count.

    Raises:
        SigningKeyError: If no trusted key signed it, or it is damaged.
    """
    try:
        payload = base64.b64decode(envelope["payload"], validate=True)
        is_ours = envelope["payloadType"] == PAYLOAD_TYPE
        signed = [
            (record, base64.b64decode(one["sig"], validate=True))
            for one in envelope["signatures"]
            for record in keys.records
            if one["keyid"] in ("", record.public_key.id)
        ]
        statement: Json = json.loads(payload)
        when = statement["predicate"].get("time")
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise SigningKeyError("This is no signed statement: it is damaged.") from error
    message = pre_authentication_encoding(payload)
    good = [r for r, signature in signed if r.public_key.verify(message, signature)]
    if not is_ours or not good:
        raise SigningKeyError(
            "No key that is trusted here signed the statement. Name the key of its "
            "signer, or restore the statement."
        )
    if when is not None:
        _check_in_force(good, parse_time(when))
    return statement


def _check_in_force(signers: Iterable[KeyRecord], when: datetime) -> None:
    if not any(record.is_good_at(when) for record in signers):
        raise SigningKeyError(
            f"The key that signed the statement was revoked before {when}, the time "
            "it states. Ask who made it."
        )


def model_signature(
    folder: Path, signer: Signer, *, ignore: Iterable[str] = ()
) -> Json:
    """Return a signature over all files of a folder that `model-signing` verifies.

    Args:
        folder: The folder; it gives the model its name.
        signer: Must be ES256, since the tool knows no other of ours.
        ignore: Paths below the folder that are left out, the signature's own
            among them if it shall lie there.

    Raises:
        CatalogError: If a file cannot be read.
        ConfigError: If the key is not ES256, or the folder holds links.
    """
    if signer.public_key.algorithm != "es256":
        raise ConfigError(
            f"The key {signer.public_key.id} is Ed25519, which model-signing does not "
            "know. Make another with `contrafact audit keys new --algorithm es256`."
        )
    left_out = sorted(ignore)
    resources = _resources(folder, left_out)
    statement = in_toto_statement(
        [{"name": folder.resolve().name, "digest": {"sha256": _all(resources)}}],
        _MODEL_TYPE,
        predicate={
            "serialization": {
                "method": "files",
                "hash_type": "sha256",
                "allow_symlinks": False,
                "ignore_paths": left_out,
            },
            "resources": resources,
        },
    )
    envelope = seal(statement, signer)
    # The tool looks for no id in the envelope; it has the hint for that.
    envelope["signatures"][0]["keyid"] = ""
    hint = hashlib.sha256(signer.public_key.pem).hexdigest()
    return {
        "mediaType": _BUNDLE_TYPE,
        "verificationMaterial": {"publicKey": {"hint": hint}, "tlogEntries": []},
        "dsseEnvelope": envelope,
    }


def _resources(folder: Path, ignore: list[str]) -> list[Json]:
    paths = [path for path in folder.rglob("*") if not _is_in(path, folder, ignore)]
    if link := next((path for path in paths if path.is_symlink()), None):
        raise ConfigError(f"{link} is a link. Sign a folder that holds its files.")
    names = {p.relative_to(folder).as_posix(): p for p in paths if p.is_file()}
    return [
        {"name": name, "algorithm": "sha256", "digest": digest_file(names[name])}
        for name in sorted(names, key=Path)
    ]


def _is_in(path: Path, folder: Path, ignore: list[str]) -> bool:
    return any(path.is_relative_to(folder / name) for name in ignore)


def _all(resources: list[Json]) -> str:
    """Return the digest over all digests, in their order."""
    joined = b"".join(bytes.fromhex(resource["digest"]) for resource in resources)
    return hashlib.sha256(joined).hexdigest()


def verify_model_signature(
    folder: Path, bundle: Mapping[str, Any], keys: KeyRing
) -> list[str]:
    """Return what is wrong with a folder under its signature; nothing if true.

    Raises:
        CatalogError: If a file cannot be read.
        SigningKeyError: If no trusted key made the signature.
    """
    try:
        statement = open_envelope(bundle["dsseEnvelope"], keys)
        signed = statement["predicate"]["resources"]
        ignore = statement["predicate"]["serialization"]["ignore_paths"]
        total = statement["subject"][0]["digest"]["sha256"]
        listed = {one["name"]: one["digest"] for one in signed}
    except (KeyError, TypeError, IndexError) as error:
        raise SigningKeyError("This is no model signature: it is damaged.") from error
    found = {one["name"]: one["digest"] for one in _resources(folder, ignore)}
    problems = [
        f"{name} is not signed" for name in sorted(found.keys() - listed.keys())
    ]
    problems += [f"{name} is missing" for name in sorted(listed.keys() - found.keys())]
    both = sorted(found.keys() & listed.keys())
    problems += [f"{name} was altered" for name in both if found[name] != listed[name]]
    if _all(signed) != total:
        problems.append("the digest over all files is another")
    return problems
