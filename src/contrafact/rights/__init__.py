"""Who allowed what: identifiers, parties and shares, consents and decisions.

Nothing here decides about money or touches a model; the gate, manifests and
withdrawal are workflows on top of the registry.
"""

from __future__ import annotations

from contrafact.rights._holders import Held
from contrafact.rights._intake import Added, Intake, Record
from contrafact.rights.consent import (
    AiDisclosure,
    Conflict,
    Consent,
    Decision,
    Right,
    SubjectKind,
    Use,
    parse_right,
    parse_use,
)
from contrafact.rights.decide import decide
from contrafact.rights.parties import (
    Holder,
    HoldingRight,
    RightsHolding,
    share_problems,
)
from contrafact.rights.registry import ConsentRegistry
from contrafact.rights.territory import COUNTRIES, WORLDWIDE, Territory
from contrafact.rights.withdrawal import Withdrawal

__all__ = [
    "COUNTRIES",
    "WORLDWIDE",
    "Added",
    "AiDisclosure",
    "Conflict",
    "Consent",
    "ConsentRegistry",
    "Decision",
    "Held",
    "Holder",
    "HoldingRight",
    "Intake",
    "Record",
    "Right",
    "RightsHolding",
    "SubjectKind",
    "Territory",
    "Use",
    "Withdrawal",
    "decide",
    "parse_right",
    "parse_use",
    "share_problems",
]
