"""The append-only log, proofs, manifests, keys, signed statements and bundles.

Nothing here knows what a consent means or who is paid; see `rights` and
`ledger`. Nothing here imports torch.
"""

from contrafact.audit._log_reader import LoggedEntry, LogReader
from contrafact.audit.bundle import BundleContent, write_bundle
from contrafact.audit.checking import check_bundle, check_log, keys_in_bundle
from contrafact.audit.croissant import describe
from contrafact.audit.entries import (
    KINDS,
    Reveal,
    canonical,
    format_time,
    make_entry,
    parse_entry,
    parse_time,
)
from contrafact.audit.keys import (
    FileSigner,
    KeyRecord,
    KeyRing,
    PublicKey,
    Signer,
    generate_key,
    list_keys,
    load_signer,
    revoke_key,
)
from contrafact.audit.log import AuditLog
from contrafact.audit.manifest import (
    Manifest,
    ManifestEntry,
    ManifestHeader,
    build_manifest,
)
from contrafact.audit.notes import Checkpoint, parse_checkpoint, signer_of
from contrafact.audit.proofs import (
    check_log_proof,
    check_proof,
    disprove,
    log_proof,
    prove,
)
from contrafact.audit.readlog import ReadLog, ReadLogCheck, check_read_log
from contrafact.audit.statements import (
    RELEASE_TYPE,
    in_toto_statement,
    model_signature,
    open_envelope,
    release_predicate,
    seal,
    subjects_of,
    verify_model_signature,
)

__all__ = [
    "KINDS",
    "RELEASE_TYPE",
    "AuditLog",
    "BundleContent",
    "Checkpoint",
    "FileSigner",
    "KeyRecord",
    "KeyRing",
    "LogReader",
    "LoggedEntry",
    "Manifest",
    "ManifestEntry",
    "ManifestHeader",
    "PublicKey",
    "ReadLog",
    "ReadLogCheck",
    "Reveal",
    "Signer",
    "build_manifest",
    "canonical",
    "check_bundle",
    "check_log",
    "check_log_proof",
    "check_proof",
    "check_read_log",
    "describe",
    "disprove",
    "format_time",
    "generate_key",
    "in_toto_statement",
    "keys_in_bundle",
    "list_keys",
    "load_signer",
    "log_proof",
    "make_entry",
    "model_signature",
    "open_envelope",
    "parse_checkpoint",
    "parse_entry",
    "parse_time",
    "prove",
    "release_predicate",
    "revoke_key",
    "seal",
    "signer_of",
    "subjects_of",
    "verify_model_signature",
    "write_bundle",
]
