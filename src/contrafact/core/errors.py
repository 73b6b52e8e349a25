"""The whole exception tree of contrafact; nothing else raises its own root.

```
ContrafactError
├── ConfigError                 a setting is missing, unknown or out of range
├── WorkerError                 a worker process died
├── WorkspaceError              the workspace cannot be opened, locked or written
│   ├── WorkspaceMissingError   there is no workspace here
│   ├── WorkspaceLockedError    another process holds it
│   └── StorageError            the disk is full or not writable
├── CatalogError                the catalog of works and recordings
│   ├── AudioError              audio cannot be read or is of no use
│   ├── MetadataError           a metadata table cannot be read
│   ├── UnknownEntityError      no such work, recording or party
│   └── CorpusError             a corpus cannot be made
├── GeneratorError              a generative model
│   ├── ModelFormatError        a model directory is incomplete or unsafe
│   ├── UnknownModelError       no such model in the workspace
│   └── TrainingError           training cannot start or go on
├── AttributionError            training data attribution
│   ├── NotFittedError          `score` before `fit`
│   ├── IndexMismatchError      an index of another model or corpus
│   └── QueryError              the query cannot be attributed
├── MatchingError               recognising what is already in audio
│   ├── MatchIndexError         an index of matching is damaged, or of another kind
│   ├── EnrolmentError          a generator cannot be enrolled from this
│   └── WatermarkError          a watermark cannot be used in this way
├── RightsError                 parties, identifiers and consents
│   ├── IdentifierError         a text is not the identifier it should be
│   ├── ConsentError            a record contradicts itself, or cannot be changed so
│   ├── RightsFileError         a file of consents cannot be read at all
│   ├── ConsentMissingError     a corpus holds what may not be used so
│   ├── WithdrawnError          a model holds what was withdrawn
│   └── RegistryError           the database of consents cannot be used
├── AuditError                  the log, manifests, proofs and what is signed
│   ├── EntryError              a value cannot be written in a log or manifest
│   ├── LogDamagedError         a log is truncated, altered or rolled back
│   ├── SigningKeyError         a key is missing, revoked, or did not sign this
│   ├── ManifestError           a manifest is not in order, or is damaged
│   ├── ProofError              what was asked cannot be proved
│   └── CredentialsError        a file cannot be marked, or was altered since
├── LedgerError                 money, allocation and the journal
│   ├── MoneyError              an amount cannot be divided or added so
│   ├── AllocationError         shares, holdings or a policy contradict themselves
│   ├── PlanError               a rate card or a split plan cannot be used
│   ├── JournalError            the journal cannot be used, or cannot be changed so
│   ├── PlayFileError           a file of plays cannot be read at all
│   └── StatementError          a statement or payout cannot be made or is not true
└── ReportError                 a report cannot be written
```

Every message says what was wrong, what was found and what to do.
"""

from __future__ import annotations

__all__ = [
    "AllocationError",
    "AttributionError",
    "AudioError",
    "AuditError",
    "CatalogError",
    "ConfigError",
    "ConsentError",
    "ConsentMissingError",
    "ContrafactError",
    "CorpusError",
    "CredentialsError",
    "EnrolmentError",
    "EntryError",
    "GeneratorError",
    "IdentifierError",
    "IndexMismatchError",
    "JournalError",
    "LedgerError",
    "LogDamagedError",
    "ManifestError",
    "MatchIndexError",
    "MatchingError",
    "MetadataError",
    "ModelFormatError",
    "MoneyError",
    "NotFittedError",
    "PlanError",
    "PlayFileError",
    "ProofError",
    "QueryError",
    "RegistryError",
    "ReleaseError",
    "ReportError",
    "RightsError",
    "RightsFileError",
    "SigningKeyError",
    "StatementError",
    "StorageError",
    "TrainingError",
    "UnknownEntityError",
    "UnknownModelError",
    "WatermarkError",
    "WithdrawnError",
    "WorkerError",
    "WorkspaceError",
    "WorkspaceLockedError",
    "WorkspaceMissingError",
]


class ContrafactError(Exception):
    """Root of everything contrafact raises on purpose."""


class ConfigError(ContrafactError, ValueError):
    """A setting is missing, unknown or out of range."""


class WorkerError(ContrafactError):
    """A worker process died."""


class WorkspaceError(ContrafactError):
    """The workspace cannot be opened, locked or written."""


class WorkspaceMissingError(WorkspaceError, FileNotFoundError):
    """There is no workspace at this place."""


class WorkspaceLockedError(WorkspaceError):
    """Another process holds the workspace."""


class StorageError(WorkspaceError, OSError):
    """The disk is full, or the place is not writable."""


class CatalogError(ContrafactError):
    """The catalog of works and recordings."""


class AudioError(CatalogError, ValueError):
    """Audio cannot be read, or holds nothing that can be used."""


class MetadataError(CatalogError, ValueError):
    """A metadata table cannot be read."""


class UnknownEntityError(CatalogError, KeyError):
    """No such work, recording or party."""

    def __str__(self) -> str:
        """Return the message itself, not its `repr` as `KeyError` would."""
        return str(self.args[0]) if self.args else ""


class CorpusError(CatalogError):
    """A corpus cannot be made."""


class GeneratorError(ContrafactError):
    """A generative model."""


class ModelFormatError(GeneratorError, ValueError):
    """A model directory is incomplete, damaged or unsafe."""


class UnknownModelError(GeneratorError, KeyError):
    """No such model in the workspace."""

    def __str__(self) -> str:
        """Return the message itself, not its `repr` as `KeyError` would."""
        return str(self.args[0]) if self.args else ""


class TrainingError(GeneratorError):
    """Training cannot start or go on."""


class AttributionError(ContrafactError):
    """Training data attribution."""


class NotFittedError(AttributionError, ValueError):
    """`score` was called before `fit`."""


class IndexMismatchError(AttributionError, ValueError):
    """An index was built for another model or another corpus."""


class QueryError(AttributionError, ValueError):
    """The query cannot be attributed."""


class MatchingError(ContrafactError):
    """Recognising what is already in a piece of audio."""


class MatchIndexError(MatchingError, ValueError):
    """An index of matching is damaged, of another version, or of another kind."""


class EnrolmentError(MatchingError, ValueError):
    """A generator cannot be enrolled from what was given."""


class WatermarkError(MatchingError, ValueError):
    """A watermark is unknown, lacks its package or weights, or cannot carry this."""


class RightsError(ContrafactError):
    """Parties, identifiers and consents."""


class IdentifierError(RightsError, ValueError):
    """A text is not the identifier it should be."""


class ConsentError(RightsError, ValueError):
    """A record contradicts itself, or cannot be changed in this way."""


class RightsFileError(RightsError, ValueError):
    """A file of consents cannot be read at all."""


class ConsentMissingError(RightsError):
    """A corpus holds what may not be used in this way."""


class WithdrawnError(RightsError):
    """A model holds what was withdrawn, and the serving policy forbids this."""


class RegistryError(RightsError):
    """The database of consents cannot be used."""


class AuditError(ContrafactError):
    """The log, manifests, proofs and what is signed."""


class EntryError(AuditError, ValueError):
    """A value cannot be written in a log or a manifest."""


class LogDamagedError(AuditError):
    """A log is truncated, altered or rolled back."""


class SigningKeyError(AuditError, ValueError):
    """A key is missing or revoked, or did not sign this."""


class ManifestError(AuditError, ValueError):
    """A manifest is not in order, or is damaged."""


class ReleaseError(AuditError, ValueError):
    """No such model release, or it is not what it was."""


class ProofError(AuditError, ValueError):
    """What was asked for cannot be proved, since it is not so."""


class CredentialsError(AuditError, ValueError):
    """A file cannot be marked, or was altered since it was."""


class LedgerError(ContrafactError):
    """Money, allocation and the journal."""


class MoneyError(LedgerError, ValueError):
    """An amount cannot be divided or added in this way."""


class AllocationError(LedgerError, ValueError):
    """Shares, holdings or the settings of a policy contradict themselves."""


class PlanError(LedgerError, ValueError):
    """A rate card or a split plan contradicts itself or another."""


class JournalError(LedgerError):
    """The journal cannot be used, or cannot be changed in this way."""


class PlayFileError(LedgerError, ValueError):
    """A file of plays cannot be read at all."""


class StatementError(LedgerError, ValueError):
    """A statement or a payout cannot be made, or is not true."""


class ReportError(ContrafactError):
    """A report cannot be written."""
