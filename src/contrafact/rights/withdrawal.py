"""A withdrawal: a work or recording is to be left out, of new training at once."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from contrafact.core.units import digest_of
from contrafact.rights.consent import Consent, Right, SubjectKind, Use

__all__ = ["Withdrawal"]

_INTO_MODELS = (
    Use.TRAIN_GENERATIVE,
    Use.TRAIN_NON_GENERATIVE,
    Use.TEXT_AND_DATA_MINING,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Withdrawal:
    """What is withdrawn, from when, and why.

    In the registry it is a reservation without an end, everywhere, so it beats
    every permission, irrevocable ones too; those show up as conflicts. What goes
    into a model cannot be taken out again, so training and mining end on the day
    it is declared; other uses end on the effective day.

    Attributes:
        subject_kind: A work or a recording.
        subject_id: As in the catalog, or an ISWC, ISRC or file digest.
        reason: Why, for people.
        effective: First day of its force for uses that leave nothing in a model.
        said: The day it was declared; it is not known before.
        grantor: Who withdraws, if that is to be on record.
    """

    subject_kind: SubjectKind
    subject_id: str
    reason: str
    effective: date
    said: date
    grantor: str = ""
    uses: tuple[Use, ...] = tuple(Use)
    rights: tuple[Right, ...] = tuple(Right)

    def consents(self) -> tuple[Consent, ...]:
        """Return the reservations that it is, one for each right and use."""
        parts = ("withdrawal", self.subject_id, self.reason, str(self.effective))
        digest = digest_of("\x1f".join(parts).encode())
        return tuple(
            Consent(
                right=right,
                subject_kind=self.subject_kind,
                subject_id=self.subject_id,
                grantor=self.grantor,
                use=use,
                is_allowed=False,
                valid_from=min(self.said, self.effective)
                if use in _INTO_MODELS
                else self.effective,
                source=f"withdrawal: {self.reason}",
                source_digest=digest,
                signal_date=self.said,
            )
            for right in self.rights
            for use in self.uses
        )
