"""The registry of consents: what was said, kept for good, and what follows.

Records are added and never changed, but for the day a consent was revoked.
What a set of consents means is in `decide.py`; how files are read, in
`readers/`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from types import TracebackType
from typing import Self

import sqlalchemy as sa

from contrafact.core.entities import Problem, Recording, Work
from contrafact.core.errors import ConsentError
from contrafact.core.units import RecordingId
from contrafact.rights import _schema as tables
from contrafact.rights._database import connect, reading, writing
from contrafact.rights._holders import Held, held_by
from contrafact.rights._intake import Added, Intake, Record
from contrafact.rights._lookup import Finder
from contrafact.rights._rows import (
    consent_of,
    disclosure_of,
    holding_of,
    subject_key,
)
from contrafact.rights.consent import (
    AiDisclosure,
    Conflict,
    Consent,
    Decision,
    SubjectKind,
    Use,
)
from contrafact.rights.decide import decide
from contrafact.rights.parties import RightsHolding, share_problems
from contrafact.rights.territory import WORLDWIDE, Territory
from contrafact.rights.withdrawal import Withdrawal

__all__ = ["ConsentRegistry"]

_MANY = 500
"""How many values one query may name; SQLite has a limit."""

Progress = Callable[[int, int], None]


class ConsentRegistry:
    """The database of consents, shares and disclosures.

    Example:
        >>> with ConsentRegistry.open("sqlite://") as registry:
        ...     registry.n_records()["consents"]
        0
    """

    def __init__(self, engine: sa.Engine) -> None:
        """Use an engine whose tables are in place; see `open`."""
        self._engine = engine

    @classmethod
    def open(cls, url: str) -> Self:
        """Open a database and make its tables if they are missing.

        Args:
            url: `sqlite:///PATH`, or `postgresql://USER@HOST/NAME`.

        Raises:
            ConfigError: If the URL is neither.
            StorageError: If the database cannot be written.
            RegistryError: If it was made by a newer version, or is damaged.
        """
        return cls(connect(url))

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()

    def __enter__(self) -> Self:
        """Return the registry itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close all connections."""
        self.close()

    @contextmanager
    def adding(self) -> Iterator[Intake]:
        """Give an intake; all it took counts when the block ends, or nothing.

        Raises:
            StorageError: If the disk is full or not writable.
        """
        with writing(self._engine) as connection:
            yield Intake(connection)

    def add(self, records: Iterable[Record]) -> Added:
        """Add records, all of them or none; those that are there stay as they are.

        Raises:
            StorageError: If the disk is full or not writable.
        """
        with self.adding() as intake:
            for record in records:
                intake.take(record)
            return intake.finish()

    def withdraw(self, withdrawal: Withdrawal) -> tuple[Consent, ...]:
        """Keep a work or recording out from a day on; see `Withdrawal`.

        Returns:
            The reservations, one for each right and use.
        """
        records = withdrawal.consents()
        self.add(records)
        return records

    def revoke(self, consent_id: str, *, effective: date, reason: str) -> Consent:
        """End one consent: a permission, or a reservation that was lifted.

        Args:
            consent_id: Its id, or as much of its beginning as is unique.
            effective: First day on which it has no force.
            reason: Why, for people.

        Returns:
            The consent as it is now.

        Raises:
            ConsentError: If there is none, it was revoked before, or it is a
                permission that cannot be revoked.
        """
        found = self.consent(consent_id)
        if found.revoked_from is not None:
            raise ConsentError(
                f"Consent {found.id} was revoked from {found.revoked_from} on. "
                "Nothing was changed."
            )
        if found.is_allowed and not found.is_revocable:
            raise ConsentError(
                f"Consent {found.id} is irrevocable. To keep the work out all the "
                "same, withdraw it: contrafact withdraw."
            )
        table = tables.consent
        change = {"revoked_from": effective.isoformat(), "revoked_because": reason}
        with writing(self._engine) as connection:
            query = table.update().where(table.c.id == found.id)
            connection.execute(query.values(**change))
        return self.consent(found.id)

    def consent(self, id_: str) -> Consent:
        """Return the consent of this id, or of the only id that begins so.

        Raises:
            ConsentError: If there is none, or more than one.
        """
        c = tables.consent.c
        found = self._consents(c.id.startswith(id_, autoescape=True), limit=2)
        if len(found) != 1 or not id_:
            what = "more than one consent" if found and id_ else "no consent"
            raise ConsentError(f"There is {what} '{id_}'. Give the whole id.")
        return found[0]

    def consents_about(self, subject_kind: SubjectKind, id_: str) -> list[Consent]:
        """Return what was said about a work or recording by this very id."""
        key = subject_key(subject_kind, id_)
        return self._consents(tables.consent.c.subject_key == key)

    def reservations(self) -> list[Consent]:
        """Return all that was ever reserved, in or out of force, in order of id."""
        return self._consents(tables.consent.c.is_allowed == False)  # noqa: E712

    def consents_for(
        self, recording: Recording, *, works: Iterable[Work] = ()
    ) -> list[Consent]:
        """Return all that was said about a recording, its work and its place.

        Args:
            recording: As in the catalog.
            works: Of the catalog; they tell by what titles works are known.
        """
        finder = Finder([recording], works)
        return finder.about(recording, self._by_key(finder.keys), self._places())

    def decisions(
        self,
        recordings: Sequence[Recording],
        *,
        use: Use,
        on: date,
        territory: Territory = WORLDWIDE,
        works: Iterable[Work] = (),
        also: Sequence[Consent] = (),
        progress: Progress | None = None,
    ) -> dict[RecordingId, Decision]:
        """Decide for many recordings at once.

        Give all recordings of the catalog together: an ISRC that two of them
        bear, of different works, allows neither.

        Args:
            recordings: As in the catalog.
            use: What they shall be used for.
            on: The day of the use.
            territory: Where; yes means in all of it.
            works: Of the catalog; they tell by what titles works are known.
            also: What counts beside what is on record.
            progress: Called with (recordings done, recordings in all).

        Returns:
            A decision for each, in the order of the recordings.
        """
        finder = Finder(recordings, works)
        by_key = self._by_key(finder.keys, use=use)
        places = self._places(use=use)
        for consent in also:
            if consent.subject_kind is SubjectKind.LOCATION:
                places.append(consent)
            else:
                by_key[subject_key(consent.subject_kind, consent.subject_id)].append(
                    consent
                )
        decisions = {}
        for number, recording in enumerate(recordings, start=1):
            about = finder.about(recording, by_key, places)
            decision = decide(about, use=use, territory=territory, on=on)
            decisions[recording.id] = decision
            if progress is not None and number % 1000 == 0:
                progress(number, len(recordings))
        return decisions

    def conflicts(self, *, on: date) -> list[Conflict]:
        """Return permissions and reservations in force that meet in one subject.

        Those that meet only through the catalog, such as a permission by ISRC
        and a reservation of the file, are in the decisions.
        """
        c = tables.consent.c
        allowed = sa.cast(c.is_allowed, sa.Integer)
        mixed = (
            sa.select(c.subject_key)
            .group_by(c.subject_key, c.right, c.use)
            .having(sa.func.min(allowed) != sa.func.max(allowed))
        )
        groups: dict[tuple[str, Use], list[Consent]] = defaultdict(list)
        for consent in self._consents(c.subject_key.in_(mixed)):
            groups[consent.subject_id, consent.use].append(consent)
        found: dict[tuple[str, str], Conflict] = {}
        for (_, use), group in sorted(groups.items()):
            for conflict in decide(
                group, use=use, territory=WORLDWIDE, on=on
            ).conflicts:
                found[conflict.allowing.id, conflict.reserving.id] = conflict
        return list(found.values())

    def holdings(self) -> list[RightsHolding]:
        """Return the shares on record, in order of id."""
        return self._holdings()

    def holdings_about(
        self, subject_kind: SubjectKind, id_: str
    ) -> list[RightsHolding]:
        """Return the shares in a work or recording on record by this very id."""
        key = subject_key(subject_kind, id_)
        return self._holdings(tables.holding.c.subject_key == key)

    def share_problems(self) -> list[Problem]:
        """Return every right whose shares do not sum to one."""
        return list(share_problems(self.holdings()))

    def disclosures(self, *, subject_id: str | None = None) -> list[AiDisclosure]:
        """Return what messages said about machine-made parts, all or of one."""
        query = sa.select(tables.disclosure).order_by(tables.disclosure.c.id)
        if subject_id is not None:
            query = query.where(tables.disclosure.c.subject_id == subject_id)
        with reading(self._engine) as connection:
            return [disclosure_of(row) for row in connection.execute(query).mappings()]

    def held_by(self, party: str) -> list[Held]:
        """Return the works and recordings in which a party has a right.

        Args:
            party: Name, catalog id, IPI name or base number, or ISNI; numbers
                without separators.
        """
        with reading(self._engine) as connection:
            return held_by(connection, party)

    def n_records(self) -> dict[str, int]:
        """Return how many records of each kind there are."""
        kinds = {
            "consents": tables.consent,
            "shares": tables.holding,
            "disclosures": tables.disclosure,
        }
        with reading(self._engine) as connection:
            return {
                kind: connection.execute(
                    sa.select(sa.func.count()).select_from(table)
                ).scalar_one()
                for kind, table in kinds.items()
            }

    def _by_key(
        self, keys: Iterable[str], *, use: Use | None = None
    ) -> dict[str, list[Consent]]:
        c = tables.consent.c
        found: dict[str, list[Consent]] = defaultdict(list)
        ordered = sorted(keys)
        with reading(self._engine) as connection:
            for start in range(0, len(ordered), _MANY):
                some = ordered[start : start + _MANY]
                query = sa.select(tables.consent).where(c.subject_key.in_(some))
                if use is not None:
                    query = query.where(c.use == use.value)
                for row in connection.execute(query).mappings():
                    found[row["subject_key"]].append(consent_of(row))
        return found

    def _places(self, *, use: Use | None = None) -> list[Consent]:
        c = tables.consent.c
        is_place = c.subject_kind == SubjectKind.LOCATION.value
        if use is None:
            return self._consents(is_place)
        return self._consents(is_place, c.use == use.value)

    def _consents(
        self, *conditions: sa.ColumnElement[bool], limit: int | None = None
    ) -> list[Consent]:
        query = sa.select(tables.consent).where(*conditions)
        query = query.order_by(tables.consent.c.id).limit(limit)
        with reading(self._engine) as connection:
            return [consent_of(row) for row in connection.execute(query).mappings()]

    def _holdings(self, *conditions: sa.ColumnElement[bool]) -> list[RightsHolding]:
        query = sa.select(tables.holding).where(*conditions)
        query = query.order_by(tables.holding.c.id)
        with reading(self._engine) as connection:
            return [holding_of(row) for row in connection.execute(query).mappings()]
