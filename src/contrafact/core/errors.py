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
└── ReportError                 a report cannot be written
```

Every message says what was wrong, what was found and what to do.
"""

from __future__ import annotations

__all__ = [
    "AttributionError",
    "AudioError",
    "CatalogError",
    "ConfigError",
    "ContrafactError",
    "CorpusError",
    "GeneratorError",
    "IndexMismatchError",
    "MetadataError",
    "ModelFormatError",
    "NotFittedError",
    "QueryError",
    "ReportError",
    "StorageError",
    "TrainingError",
    "UnknownEntityError",
    "UnknownModelError",
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


class ReportError(ContrafactError):
    """A report cannot be written."""
