"""What a workspace knows that a regulator may ask for, as plain records.

Gathered by `workflows.regulator`; nothing here looks anything up.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from contrafact.core.entities import Recording
from contrafact.reports.regulator.document import Evidence, Line, gap, line
from contrafact.rights import Conflict, Consent, Decision

__all__ = [
    "PROVIDER_FIELDS",
    "Facts",
    "LogFacts",
    "ManifestFacts",
    "ModelFacts",
    "OutputFacts",
    "ReleaseFacts",
    "WithdrawalFacts",
]

PROVIDER_FIELDS = {
    "provider_name": "legal name of the provider of the model",
    "provider_address": "postal address of the provider",
    "representative": "authorised representative in the Union",
    "contact": "electronic contact for rights holders and authorities",
    "placed_on_market": "day on which the model was placed on the market",
    "intended_purpose": "purpose of the model, and how the data further it",
    "lawful_access": "how lawful access to the content was made sure of",
    "crawling": "crawlers that were used, or that none was",
    "purchased": "which data were purchased",
    "personal_information": "whether the data hold personal information",
    "consumer_information": "whether the data hold aggregate consumer information",
    "collection_period": "from when to when the data were collected",
    "first_use": "day on which the data were first used",
    "user_data": "whether data of users were used for training",
    "illegal_content": "what was done against illegal content in the data",
    "complaints_procedure": "how complaints are taken and by when they are answered",
    "responsible": "who in the organisation answers for the copyright policy",
}
"""What only the provider can say, in a file of its own: name and meaning."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LogFacts:
    """The log: its name, size and root, and which entry names what."""

    origin: str
    size: int
    root: str
    entries: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class ManifestFacts:
    """A manifest of a corpus.

    Attributes:
        statement: SHA-256 of its signed statement; None if it has none.
        recordings: Ids of the recordings that it lists.
    """

    root: str
    n_entries: int
    n_files: int
    n_without_consent: int
    statement: str | None
    recordings: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFacts:
    """A model; `stamp` is "" unless it was trained without consents."""

    id: str
    digest: str
    kind: str
    seed: int
    n_recordings: int
    manifest_root: str
    stamp: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseFacts:
    """A release of a model, as the list of releases has it."""

    id: str
    model: str
    model_digest: str
    status: str
    withdrawn: tuple[str, ...]
    corpus_root: str
    created: str
    parent: str | None
    stamp: str
    entry: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class WithdrawalFacts:
    """A withdrawal, as it is on record."""

    id: str
    work: str | None
    title: str
    n_recordings: int
    effective: date
    declared: date
    policy: str
    entry: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputFacts:
    """The register of outputs; `reasons` are those for not marking."""

    n_outputs: int
    n_files: int
    n_marked: int
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """All of it.

    Attributes:
        on: The day for which decisions were made.
        provider: What the provider says of itself, by `PROVIDER_FIELDS`.
        provider_digest: SHA-256 of the file in which it does; None if none.
        titles: Of works and recordings, by id.
        decisions: On training generative models, by recording.
        reservations: All that was ever reserved, in or out of the catalog.
        names: Id of the recording that a file digest belongs to.
    """

    on: date
    version: str
    provider: Mapping[str, str]
    provider_digest: str | None
    recordings: tuple[Recording, ...]
    titles: Mapping[str, str]
    names: Mapping[str, str]
    decisions: Mapping[str, Decision]
    reservations: tuple[Consent, ...]
    conflicts: tuple[Conflict, ...]
    manifests: tuple[ManifestFacts, ...]
    models: tuple[ModelFacts, ...]
    releases: tuple[ReleaseFacts, ...]
    withdrawals: tuple[WithdrawalFacts, ...]
    outputs: OutputFacts
    log: LogFacts | None

    @property
    def allowed(self) -> list[Recording]:
        """Recordings whose training is allowed, in order of id."""
        return [r for r in self.recordings if self.decisions[r.id].is_allowed]

    def said(self, field: str, label: str) -> Line:
        """Return what the provider says, or that it says nothing."""
        text = self.provider.get(field, "").strip()
        if text and self.provider_digest is not None:
            return line(label, text, Evidence(kind="provider", id=self.provider_digest))
        meaning = PROVIDER_FIELDS[field]
        return gap(label, f"{meaning}. Give '{field}' in the file of --provider")

    def how_to_show(self, subject: str) -> str:
        """Return the command that shows what was said about a subject."""
        name = self.names.get(subject, subject)
        is_digest = len(name) == 64
        return "" if is_digest else f"contrafact consent show {name}"

    def logged(self, *names: str | None) -> list[Evidence]:
        """Return the log entries that name one of these."""
        entries = {} if self.log is None else self.log.entries
        numbers = sorted({entries[name] for name in names if name and name in entries})
        return [_log_entry(number) for number in numbers]

    @property
    def catalog(self) -> Evidence:
        """The catalog as a whole."""
        n = len(self.recordings)
        return Evidence(
            kind="catalog",
            id=f"{n} recording(s)",
            command="contrafact catalog list",
        )

    @property
    def registry(self) -> Evidence:
        """The registry of consents as a whole, on its day."""
        return Evidence(
            kind="consent",
            id="the registry of consents",
            command="contrafact consent show",
        )

    @property
    def software(self) -> Evidence:
        """What the program itself does, in this version."""
        return Evidence(kind="software", id=f"contrafact {self.version}")

    @property
    def register(self) -> Evidence:
        """The register of outputs."""
        return Evidence(
            kind="register",
            id=f"{self.outputs.n_outputs} output(s)",
            command="contrafact mark FILE --find",
        )


def _log_entry(number: int) -> Evidence:
    return Evidence(kind="log", id=str(number), command="contrafact audit verify")
